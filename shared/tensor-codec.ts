// Flat float32 vectors on the wire: their layout, bytes, hash and chunks. Wire bytes are
// little-endian, arrive as unaligned views, and are copied and length-checked on decode. A
// payload's name is its SHA-256, and the payload is accepted only when its bytes match.
import { createHash } from 'node:crypto';
import { endianness } from 'node:os';
import { MetatrainError } from './errors.ts';
import { PassingMap } from './passing.ts';
import { maxChunkBytes } from './wire.ts';

if (endianness() !== 'LE') throw new Error('metatrain needs a little-endian machine');

export interface ParamTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The meta-parameters as one flat vector: the named tensors one after another, row-major. */
export interface ParamsLayout {
  readonly tensors: readonly ParamTensor[];
}

export const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

export const layoutElements = (layout: ParamsLayout): number =>
  layout.tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0);

/** Each tensor of the layout as a view into `vector`; nothing is copied. */
export function viewsOf(layout: ParamsLayout, vector: Float32Array): Record<string, Float32Array> {
  let offset = 0;
  const views: Record<string, Float32Array> = {};
  for (const { name, shape } of layout.tensors) {
    const length = elementsOf(shape);
    views[name] = vector.subarray(offset, offset + length);
    offset += length;
  }
  return views;
}

/** The vector's own bytes, without a copy. */
export function bytesOfVector(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
}

/**
 * @param bytes become the function's: the vector is a view over them if they are aligned, else a
 *   copy.
 * @throws MetatrainError `REQUEST_INVALID` when `bytes` does not hold exactly `elements` float32.
 */
export function vectorOverBytes(bytes: Buffer, elements: number): Float32Array {
  const isAligned = bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0;
  if (!isAligned || bytes.byteLength !== elements * 4) return vectorOfBytes(bytes, elements);
  return new Float32Array(bytes.buffer, bytes.byteOffset, elements);
}

/**
 * @throws MetatrainError `REQUEST_INVALID` when `bytes` does not hold exactly `elements` float32.
 */
export function vectorOfBytes(bytes: Uint8Array, elements: number): Float32Array {
  if (bytes.byteLength !== elements * 4) {
    throw new MetatrainError(
      'REQUEST_INVALID',
      `payload: got ${bytes.byteLength} bytes; accepted: ${elements * 4} (${elements} float32)`,
    );
  }
  const vector = new Float32Array(elements);
  Buffer.from(vector.buffer).set(bytes);
  return vector;
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** SHA-256 of the vector's bytes in hexadecimal: `paramsSha256` everywhere. */
export const hashOfVector = (vector: Float32Array): string => sha256(bytesOfVector(vector)).toString('hex');

export interface PayloadChunk {
  readonly payloadSha256: Buffer;
  readonly payloadBytes: number;
  readonly offset: number;
  readonly data: Buffer;
}

/**
 * The payload in chunks of at most 1 MiB, which are views into `bytes`. An empty payload is one
 * empty chunk.
 */
export function chunksOf(bytes: Buffer, payloadSha256: Buffer = sha256(bytes)): PayloadChunk[] {
  const chunks: PayloadChunk[] = [];
  for (let offset = 0; offset === 0 || offset < bytes.byteLength; offset += maxChunkBytes) {
    chunks.push({
      payloadSha256,
      payloadBytes: bytes.byteLength,
      offset,
      data: bytes.subarray(offset, offset + maxChunkBytes),
    });
  }
  return chunks;
}

export interface PayloadAssemblerLimits {
  /** Most bytes of one payload. */
  readonly payloadBytes: number;
  /** Most payloads that have begun or wait to be taken. */
  readonly payloads: number;
}

/** Memory for the bytes of incoming payloads. */
export interface PayloadMemory {
  /**
   * @param held payloads of that size that are already here.
   * @throws MetatrainError when there is no memory for the payload, or it is not expected.
   */
  allocate(payloadBytes: number, held: number): Buffer;
  /** Returns bytes that were not taken. */
  release(bytes: Buffer): void;
}

const freshMemory: PayloadMemory = { allocate: (bytes) => Buffer.allocUnsafe(bytes), release: () => undefined };

interface Payload {
  readonly bytes: Buffer;
  received: number;
  copies: number;
}

/**
 * Assembles payloads from interleaved chunks. Bounded and strict: a chunk out of order or a wrong
 * hash is the peer's error. A payload may arrive several times at once, as when two jobs have equal
 * parameters.
 */
export class PayloadAssembler {
  readonly #limits: PayloadAssemblerLimits;
  readonly #memory: PayloadMemory;
  readonly #payloads = new PassingMap<string, Payload>();

  /** @param memory default: newly allocated. */
  constructor(limits: PayloadAssemblerLimits, memory: PayloadMemory = freshMemory) {
    this.#limits = limits;
    this.#memory = memory;
  }

  /**
   * @throws MetatrainError `REQUEST_INVALID` for a chunk that does not continue its payload, is too
   *   large, or completes a payload with a wrong hash.
   */
  add(chunk: {
    readonly payloadSha256: Uint8Array;
    readonly payloadBytes: number;
    readonly offset: number;
    readonly data: Uint8Array;
  }): void {
    const name = Buffer.from(chunk.payloadSha256).toString('hex');
    if (name.length !== 64) throw refused('payload_sha256', `${name.length / 2} bytes`, '32 bytes');
    if (chunk.data.byteLength > maxChunkBytes)
      throw refused('data', `${chunk.data.byteLength} bytes`, `at most ${maxChunkBytes}`);
    let payload = this.#payloads.get(name);
    if (!payload) {
      if (chunk.payloadBytes > this.#limits.payloadBytes) {
        throw refused('payload_bytes', String(chunk.payloadBytes), `at most ${this.#limits.payloadBytes}`);
      }
      if (this.#payloads.size >= this.#limits.payloads) {
        throw refused('payload_chunk', 'one more payload', `at most ${this.#limits.payloads} at once`);
      }
      payload = { bytes: this.#allocate(chunk.payloadBytes), received: 0, copies: 0 };
      this.#payloads.set(name, payload);
    }
    const { bytes, received } = payload;
    const end = chunk.offset + chunk.data.byteLength;
    if (chunk.offset > received || end > bytes.byteLength || chunk.payloadBytes !== bytes.byteLength) {
      this.#drop(name);
      throw refused(
        'offset',
        `${chunk.offset} + ${chunk.data.byteLength} of ${chunk.payloadBytes}`,
        `${received} next, of ${bytes.byteLength}`,
      );
    }
    // Another copy of the payload is arriving, and these bytes are already here.
    if (end > received || bytes.byteLength === 0)
      this.#append(name, payload, chunk.data.subarray(received - chunk.offset));
    if (end === bytes.byteLength) payload.copies += 1;
  }

  #append(name: string, payload: Payload, data: Uint8Array): void {
    payload.bytes.set(data, payload.received);
    payload.received += data.byteLength;
    if (payload.received < payload.bytes.byteLength) return;
    const hash = sha256(payload.bytes).toString('hex');
    if (hash === name) return;
    this.#drop(name);
    throw refused('payload_sha256', name, `${hash}, the hash of the bytes`);
  }

  #allocate(payloadBytes: number): Buffer {
    let held = 0;
    for (const { bytes } of this.#payloads.values()) if (bytes.byteLength === payloadBytes) held += 1;
    return this.#memory.allocate(payloadBytes, held);
  }

  #copyOf(bytes: Buffer): Buffer {
    const copy = this.#allocate(bytes.byteLength);
    copy.set(bytes);
    return copy;
  }

  #drop(name: string): void {
    const payload = this.#payloads.get(name);
    if (!payload) return;
    this.#payloads.delete(name);
    this.#memory.release(payload.bytes);
  }

  /** Drops the payload if it is here, complete or not. */
  drop(payloadSha256: Uint8Array): void {
    this.#drop(Buffer.from(payloadSha256).toString('hex'));
  }

  /** Drops every payload. */
  close(): void {
    for (const name of [...this.#payloads.keys()]) this.#drop(name);
  }

  /**
   * The complete payload, which the caller then owns; undefined if it is missing or incomplete. Can
   * be taken once for each time it arrived.
   */
  take(payloadSha256: Uint8Array): Buffer | undefined {
    const name = Buffer.from(payloadSha256).toString('hex');
    const payload = this.#payloads.get(name);
    if (!payload || payload.copies === 0) return undefined;
    payload.copies -= 1;
    if (payload.copies > 0) return this.#copyOf(payload.bytes);
    this.#payloads.delete(name);
    return payload.bytes;
  }
}

function refused(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `payload chunk: ${field}: got ${got}; accepted: ${accepted}`, {
    details: { field },
  });
}
