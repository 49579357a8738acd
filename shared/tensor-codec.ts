// Flat float32 vectors on the wire: their layout, their bytes, their hash, and their chunks. Wire bytes are little-endian, arrive
// as unaligned views and are copied and length-checked on decode; a payload is named by its SHA-256 and taken only when it matches.
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

/** The vector's own bytes, not a copy. */
export function bytesOfVector(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
}

/**
 * @param bytes the caller's own, which it gives away: the vector lies over them where they are aligned, and is a copy elsewhere.
 * @throws MetatrainError `REQUEST_INVALID` when `bytes` does not hold exactly `elements` float32.
 */
export function vectorOverBytes(bytes: Buffer, elements: number): Float32Array {
  const isAligned = bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0;
  if (!isAligned || bytes.byteLength !== elements * 4) return vectorOfBytes(bytes, elements);
  return new Float32Array(bytes.buffer, bytes.byteOffset, elements);
}

/** @throws MetatrainError `REQUEST_INVALID` when `bytes` does not hold exactly `elements` float32. */
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

/** The payload cut into chunks of at most 1 MiB, views into `bytes`. An empty payload is one empty chunk. */
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
  /** Bytes of one payload, at most. */
  readonly payloadBytes: number;
  /** Payloads begun or waiting to be taken, at most. */
  readonly payloads: number;
}

/** Where the bytes of payloads on their way in are kept. */
export interface PayloadMemory {
  /**
   * @param held payloads of that size that are here already.
   * @throws MetatrainError where there is no memory for it, or it is not expected.
   */
  allocate(payloadBytes: number, held: number): Buffer;
  /** Bytes that nobody has taken. */
  release(bytes: Buffer): void;
}

const freshMemory: PayloadMemory = { allocate: (bytes) => Buffer.allocUnsafe(bytes), release: () => undefined };

interface Payload {
  readonly bytes: Buffer;
  received: number;
  copies: number;
}

/**
 * Puts payloads together from interleaved chunks; bounded, and strict: a chunk out of order or a wrong hash is the peer's error. The same
 * payload may come several times at once, as when two jobs have the same parameters.
 */
export class PayloadAssembler {
  readonly #limits: PayloadAssemblerLimits;
  readonly #memory: PayloadMemory;
  readonly #payloads = new PassingMap<string, Payload>();

  /** @param memory Default: fresh. */
  constructor(limits: PayloadAssemblerLimits, memory: PayloadMemory = freshMemory) {
    this.#limits = limits;
    this.#memory = memory;
  }

  /** @throws MetatrainError `REQUEST_INVALID` on a chunk that does not continue its payload, is too large or completes to another hash. */
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
    // What a second payload of the same name brings again is here already.
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

  /** Forgets the payload, whole or not, where it is here. */
  drop(payloadSha256: Uint8Array): void {
    this.#drop(Buffer.from(payloadSha256).toString('hex'));
  }

  /** Forgets every payload. */
  close(): void {
    for (const name of [...this.#payloads.keys()]) this.#drop(name);
  }

  /** The whole payload, the caller's own; forgotten once it has been taken as often as it came; undefined when it is not (or not wholly) there. */
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
