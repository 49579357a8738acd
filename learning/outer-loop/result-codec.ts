// A shard's sum as it travels to the coordinator: float32 as it is, or rounded to float16 or int8 in
// chunks of at most 512 numbers of one tensor, each with a scale of its own. int8 is rounded up or
// down at random, so that the expected value is the number itself (QSGD, Alistarh et al. 2017); the
// random numbers are a function of the job's seed and the shard's first task, so every worker sends
// the same bytes. Nothing is carried over to the next meta-step: see ADR 34.
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { taskRng } from '../../shared/rng.ts';
import {
  bytesOfVector,
  elementsOf,
  layoutElements,
  type ParamsLayout,
  vectorOverBytes,
} from '../../shared/tensor-codec.ts';

export type ResultFormat = JobSpec['placement']['results'];

/** Numbers with one scale. */
const chunkElements = 512;
const scaleBytes = 4;
const largestCode = 127;
const codeBytes = { float32: 4, float16: 2, int8: 1 } as const satisfies Record<ResultFormat, number>;

export interface EncodeOptions {
  readonly format: ResultFormat;
  readonly layout: ParamsLayout;
  readonly seed: number;
  /** Of the shard. */
  readonly firstTask: number;
}

/** Bytes of a sum on the wire. */
export function encodedBytes({ format, layout }: Pick<EncodeOptions, 'format' | 'layout'>): number {
  const codes = codeBytes[format] * layoutElements(layout);
  return format === 'float32' ? codes : codes + scaleBytes * [...chunksOf(layout)].length;
}

/**
 * @returns of float32 the vector's own bytes, of the others freshly owned ones: every scale, then
 *   every code.
 */
export function encodeSum(vector: Float32Array, options: EncodeOptions): Uint8Array {
  const { format, layout, seed, firstTask } = options;
  if (format === 'float32') return bytesOfVector(vector);
  const bytes = new Uint8Array(encodedBytes(options));
  const view = new DataView(bytes.buffer);
  const rng = taskRng(seed, 'round result', firstTask);
  const chunks = [...chunksOf(layout)];
  let at = scaleBytes * chunks.length;
  for (const [i, [begin, end]] of chunks.entries()) {
    const scale = scaleOf(vector, begin, end, format);
    view.setFloat32(scaleBytes * i, scale, true);
    const factor = scale > 0 ? 1 / scale : 0;
    if (format === 'int8') {
      for (let j = begin; j < end; j += 1) {
        const code = Math.floor(vector[j]! * factor + rng.uniform());
        view.setInt8(at, Math.max(-largestCode, Math.min(largestCode, code)));
        at += 1;
      }
    } else {
      for (let j = begin; j < end; j += 1) {
        view.setUint16(at, halfOf(vector[j]! * factor), true);
        at += 2;
      }
    }
  }
  return bytes;
}

/**
 * @param bytes of float32, the vector is a view over them where they are aligned.
 * @throws MetatrainError `REQUEST_INVALID` when there are too many or too few. A scale may be any
 *   number, and so may what is made of it.
 */
export function decodeSum(bytes: Buffer, { format, layout }: Pick<EncodeOptions, 'format' | 'layout'>): Float32Array {
  const elements = layoutElements(layout);
  if (format === 'float32') return vectorOverBytes(bytes, elements);
  const expected = encodedBytes({ format, layout });
  if (bytes.byteLength !== expected) {
    const message = `payload: got ${bytes.byteLength} bytes; accepted: ${expected} (${elements} numbers as ${format})`;
    throw new MetatrainError('REQUEST_INVALID', message);
  }
  const vector = new Float32Array(elements);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks = [...chunksOf(layout)];
  let at = scaleBytes * chunks.length;
  for (const [i, [begin, end]] of chunks.entries()) {
    const scale = view.getFloat32(scaleBytes * i, true);
    for (let j = begin; j < end; j += 1) {
      vector[j] = scale * (format === 'int8' ? view.getInt8(at) : numberOf(view.getUint16(at, true)));
      at += codeBytes[format];
    }
  }
  return vector;
}

/** Begin and end of each, in the order of the vector. */
function* chunksOf({ tensors }: ParamsLayout): Iterable<readonly [begin: number, end: number]> {
  let offset = 0;
  for (const { shape } of tensors) {
    const tensorEnd = offset + elementsOf(shape);
    while (offset < tensorEnd) {
      const end = Math.min(offset + chunkElements, tensorEnd);
      yield [offset, end];
      offset = end;
    }
  }
}

/**
 * Of int8 the size of one step; of float16 a power of two, which rounds nothing, that brings every
 * number to at most 1.
 */
function scaleOf(vector: Float32Array, begin: number, end: number, format: 'float16' | 'int8'): number {
  let largest = 0;
  for (let i = begin; i < end; i += 1) largest = Math.max(largest, Math.abs(vector[i]!));
  if (format === 'int8') return Math.fround(largest / largestCode);
  if (largest === 0) return 0;
  // Within float32's range: the scale itself is sent as one.
  return 2 ** Math.max(-126, Math.min(127, Math.ceil(Math.log2(largest))));
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** The nearest number of IEEE 754 binary16, ties to even. @param value at most 2 in size. */
function halfOf(value: number): number {
  float[0] = value;
  const bits = word[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  const exponent = size >>> 23;
  // Below half of the smallest number.
  if (exponent < 102) return sign;
  const isNormal = exponent > 112;
  const from = isNormal ? size - 0x38000000 : (size & 0x7fffff) | 0x800000;
  const shift = isNormal ? 13 : 126 - exponent;
  const kept = from >>> shift;
  const rest = from & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept);
}

function numberOf(half: number): number {
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return (half & 0x8000) === 0 ? size : -size;
}
