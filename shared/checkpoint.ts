// The checkpoint file: safetensors (github.com/huggingface/safetensors, "Format"), which common
// tools can open. Handles bytes only: paths, recorded hashes and the schedule belong to the
// coordinator. θ's tensors have the model's names in layout order; the meta-optimizer's slots are
// `optimizer/<slot>/<tensor>`; what shards carry to their next meta-step is `carry/<shard>`, last.
// A file that breaks the format is rejected.
import { MetatrainError } from './errors.ts';
import {
  bytesOfVector,
  elementsOf,
  hashOfVector,
  type ParamsLayout,
  type ParamTensor,
  viewsOf,
} from './tensor-codec.ts';

/** The metadata that this project writes: safetensors allows texts only. */
export interface CheckpointMetadata {
  readonly jobId: string;
  /** The job file as JSON with every default. */
  readonly spec: string;
  /** Meta-steps applied. */
  readonly step: number;
  /** RNG cursor: the next training task. */
  readonly nextTask: number;
  /** SHA-256 of θ, float32 little-endian in layout order. */
  readonly paramsSha256: string;
  /** Hash chain over every θ so far. */
  readonly chainSha256: string;
  /** SHA-256 of the job's checkpoint file before this one; empty for the first. */
  readonly previousSha256: string;
  readonly engineFingerprint: string;
  readonly skippedTasks: number;
}

export interface Checkpoint {
  readonly metadata: CheckpointMetadata;
  readonly layout: ParamsLayout;
  readonly metaParams: Float32Array;
  /** The meta-optimizer's slots, each as long as θ. */
  readonly slots: Readonly<Record<string, Float32Array>>;
  /** What shards carry, by their number; absent where they carry nothing. */
  readonly carried?: readonly (Float32Array | undefined)[];
}

const formatName = 'metatrain-checkpoint-1';
const slotPrefix = 'optimizer/';
const carryPrefix = 'carry/';
const maxHeaderBytes = 100_000_000;

/** The file as buffers to be written one after another; all but the header are views into the given arrays. */
export function encodeCheckpoint({ metadata, layout, metaParams, slots, carried = [] }: Checkpoint): Buffer[] {
  const vectors: [prefix: string, vector: Float32Array][] = [['', metaParams]];
  for (const [slot, vector] of Object.entries(slots)) vectors.push([`${slotPrefix}${slot}/`, vector]);
  const header: Record<string, unknown> = {
    __metadata__: {
      format: formatName,
      ...Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, String(value)])),
    },
  };
  let offset = 0;
  for (const [prefix] of vectors) {
    for (const { name, shape } of layout.tensors) {
      const end = offset + elementsOf(shape) * 4;
      header[prefix + name] = { dtype: 'F32', shape, data_offsets: [offset, end] };
      offset = end;
    }
  }
  const carries: Float32Array[] = [];
  for (const [shard, vector] of carried.entries()) {
    if (!vector) continue;
    const end = offset + vector.byteLength;
    header[`${carryPrefix}${shard}`] = { dtype: 'F32', shape: [vector.length], data_offsets: [offset, end] };
    carries.push(vector);
    offset = end;
  }
  // The format asks for 8-byte alignment of what follows; spaces are its padding.
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(8 + Math.ceil(json.byteLength / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.byteLength - 8));
  padded.set(json, 8);
  return [padded, ...[...vectors.map(([, vector]) => vector), ...carries].map(bytesOfVector)];
}

/**
 * @param file for the message: a path or another name.
 * @returns freshly owned arrays.
 * @throws MetatrainError `CHECKPOINT_CORRUPT` saying what was expected and found: a file cut short, a header that is no safetensors
 *   header, a tensor out of place, or meta-parameters that are not the ones the metadata names.
 */
export function decodeCheckpoint(bytes: Buffer, file: string): Checkpoint {
  const header = readHeader(bytes, file);
  const { __metadata__: texts, ...entries } = header.fields;
  const metadata = readMetadata(texts, file);
  const all = Object.entries(entries)
    .map(([name, entry]) => readTensor(name, entry, file))
    .sort((a, b) => a.begin - b.begin);
  let end = 0;
  for (const tensor of all) {
    if (tensor.begin !== end) throw corrupt(file, `tensor ${tensor.name} begins at ${end}`, `${tensor.begin}`);
    end = tensor.end;
  }
  const dataBytes = bytes.byteLength - header.dataStart;
  if (dataBytes !== end) throw corrupt(file, `${header.dataStart + end} bytes`, `${bytes.byteLength} bytes`);

  const firstCarry = all.findIndex(({ name }) => name.startsWith(carryPrefix));
  const tensors = firstCarry < 0 ? all : all.slice(0, firstCarry);
  const layout: ParamsLayout = {
    tensors: tensors.filter(({ name }) => !name.startsWith(slotPrefix)).map(({ name, shape }) => ({ name, shape })),
  };
  const paramsBytes = tensors.reduce(
    (sum, { name, begin, end }) => sum + (name.startsWith(slotPrefix) ? 0 : end - begin),
    0,
  );
  const vectorAt = (offset: number, vectorBytes = paramsBytes): Float32Array => {
    const vector = new Float32Array(vectorBytes / 4);
    bytes.copy(bytesOfVector(vector), 0, header.dataStart + offset, header.dataStart + offset + vectorBytes);
    return vector;
  };
  if (tensors.length % layout.tensors.length !== 0) {
    throw corrupt(file, `a multiple of ${layout.tensors.length} tensors`, `${tensors.length}`);
  }
  const slots: Record<string, Float32Array> = {};
  for (const [index, tensor] of tensors.slice(layout.tensors.length).entries()) {
    const expected = layout.tensors[index % layout.tensors.length];
    const slot = tensor.name.split('/')[1] ?? '';
    if (tensor.name !== `${slotPrefix}${slot}/${expected?.name}` || tensor.shape.join() !== expected?.shape.join()) {
      throw corrupt(file, `the meta-parameters first, then each optimizer slot alike`, `tensor ${tensor.name}`);
    }
    slots[slot] ??= vectorAt(tensor.begin);
  }
  const metaParams = vectorAt(0);
  const found = hashOfVector(metaParams);
  if (found !== metadata.paramsSha256) {
    throw corrupt(file, `meta-parameters with SHA-256 ${metadata.paramsSha256}`, found);
  }
  if (firstCarry < 0) return { metadata, layout, metaParams, slots };
  const carried: (Float32Array | undefined)[] = [];
  for (const { name, begin, end } of all.slice(firstCarry)) {
    const shard = /^carry\/(0|[1-9]\d{0,5})$/.exec(name)?.[1];
    if (shard === undefined) throw corrupt(file, 'nothing but what shards carry after the rest', `tensor ${name}`);
    carried[Number(shard)] = vectorAt(begin, end - begin);
  }
  return { metadata, layout, metaParams, slots, carried: Array.from(carried) };
}

/** The meta-parameters by tensor name, views into `checkpoint.metaParams`. */
export const namedMetaParams = ({ layout, metaParams }: Checkpoint): Record<string, Float32Array> =>
  viewsOf(layout, metaParams);

function readHeader(bytes: Buffer, file: string): { fields: Record<string, unknown>; dataStart: number } {
  if (bytes.byteLength < 8) throw corrupt(file, 'at least 8 bytes', `${bytes.byteLength} bytes`);
  const headerBytes = Number(bytes.readBigUInt64LE());
  if (headerBytes > maxHeaderBytes)
    throw corrupt(file, `a header of at most ${maxHeaderBytes} bytes`, `${headerBytes}`);
  const dataStart = 8 + headerBytes;
  if (dataStart > bytes.byteLength) throw corrupt(file, `at least ${dataStart} bytes`, `${bytes.byteLength} bytes`);
  try {
    const fields: unknown = JSON.parse(bytes.toString('utf8', 8, dataStart));
    if (isRecord(fields)) return { fields, dataStart };
  } catch {
    // Thrown below, with the file's name.
  }
  throw corrupt(file, 'a safetensors header in JSON', `${headerBytes} bytes of something else`);
}

function readMetadata(texts: unknown, file: string): CheckpointMetadata {
  const fields = isRecord(texts) ? texts : {};
  if (fields.format !== formatName) throw corrupt(file, `format ${formatName}`, String(fields.format));
  const text = (key: keyof CheckpointMetadata): string => {
    const value = fields[key];
    if (typeof value !== 'string') throw corrupt(file, `metadata ${key}`, 'nothing');
    return value;
  };
  const count = (key: keyof CheckpointMetadata): number => {
    const value = Number(text(key));
    if (!Number.isSafeInteger(value) || value < 0) throw corrupt(file, `a count in metadata ${key}`, text(key));
    return value;
  };
  return {
    jobId: text('jobId'),
    spec: text('spec'),
    step: count('step'),
    nextTask: count('nextTask'),
    paramsSha256: text('paramsSha256'),
    chainSha256: text('chainSha256'),
    previousSha256: text('previousSha256'),
    engineFingerprint: text('engineFingerprint'),
    skippedTasks: count('skippedTasks'),
  };
}

function readTensor(name: string, entry: unknown, file: string): ParamTensor & { begin: number; end: number } {
  const { dtype, shape, data_offsets: offsets } = isRecord(entry) ? entry : {};
  if (dtype !== 'F32' || !isCounts(shape) || !isCounts(offsets)) {
    throw corrupt(file, `tensor ${name} as F32 with shape and data_offsets`, JSON.stringify(entry));
  }
  const [begin = -1, end = -1] = offsets;
  if (end - begin !== elementsOf(shape) * 4) {
    throw corrupt(file, `${elementsOf(shape) * 4} bytes of tensor ${name}`, `${end - begin}`);
  }
  return { name, shape, begin, end };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);

function corrupt(file: string, expected: string, actual: string): MetatrainError {
  return new MetatrainError('CHECKPOINT_CORRUPT', `checkpoint ${file}: expected ${expected}, found ${actual}`, {
    details: { file, expected, actual },
  });
}
