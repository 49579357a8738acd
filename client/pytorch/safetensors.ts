// Tensors as a safetensors file (github.com/huggingface/safetensors, "Format"), for other programs.
// Checkpoints, which have an order and a record of their own, are written by shared/checkpoint.ts.
import { bytesOfVector } from '../../shared/tensor-codec.ts';
import type { Tensors } from './model.ts';

/** @param texts the file's metadata. */
export function safetensors(tensors: Tensors, texts: Readonly<Record<string, string>>): Buffer {
  const header: Record<string, unknown> = { __metadata__: texts };
  let offset = 0;
  for (const [name, { shape, values }] of tensors) {
    const end = offset + values.byteLength;
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, end] };
    offset = end;
  }
  // The format asks for 8-byte alignment of what follows; spaces are its padding.
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(8 + Math.ceil(json.byteLength / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.byteLength - 8));
  padded.set(json, 8);
  return Buffer.concat([padded, ...[...tensors.values()].map(({ values }) => bytesOfVector(values))]);
}
