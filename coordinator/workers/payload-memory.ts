// Memory for payloads on their way in, of all streams together. Bounded: what is allocated counts until
// it is released or taken. Released memory is used again, since fresh memory of that size is zeroed by
// the system page by page and keeps the garbage collector busy.
import { MetatrainError } from '../../shared/errors.ts';

const maxIdleBytes = 128 * 2 ** 20;

/** Below this, Node's own pool serves. */
const smallPayloadBytes = 2_048;

interface Shelf {
  readonly idle: Buffer[];
  isUsed: boolean;
}

export class PayloadMemory {
  readonly #maxArrivingBytes: number;
  /** By size: a job's payloads are all of one. */
  readonly #shelves = new Map<number, Shelf>();
  #idleBytes = 0;
  #arrivingBytes = 0;

  /** @param maxArrivingBytes of payloads that have begun and that nobody has taken yet. */
  constructor(maxArrivingBytes: number) {
    this.#maxArrivingBytes = maxArrivingBytes;
  }

  get idleBytes(): number {
    return this.#idleBytes;
  }

  get arrivingBytes(): number {
    return this.#arrivingBytes;
  }

  /**
   * What is in it does not matter. It begins at a boundary of 8 bytes unless it is small. It counts as
   * arriving until `arrived` or `drop`.
   *
   * @throws MetatrainError `QUEUE_FULL`
   */
  allocate(bytes: number): Buffer {
    if (this.#arrivingBytes + bytes > this.#maxArrivingBytes) {
      const message = `a payload of ${bytes} bytes does not fit: ${this.#arrivingBytes} of ${this.#maxArrivingBytes} bytes are taken by others on their way in`;
      throw new MetatrainError('QUEUE_FULL', message);
    }
    const buffer = this.#reuse(bytes) ?? allocateFresh(bytes);
    this.#arrivingBytes += bytes;
    return buffer;
  }

  #reuse(bytes: number): Buffer | undefined {
    const shelf = this.#shelves.get(bytes);
    const idle = shelf?.idle.pop();
    if (!shelf || !idle) return undefined;
    shelf.isUsed = true;
    this.#idleBytes -= bytes;
    return idle;
  }

  /** Somebody has taken the payload: it is the job's memory now, until `release`. */
  arrived({ byteLength }: Buffer): void {
    this.#arrivingBytes -= byteLength;
  }

  /** Nobody takes the payload. */
  drop(payload: Buffer): void {
    this.arrived(payload);
    this.release(payload);
  }

  /** One who gives it back must not look at it again. */
  release(payload: Buffer): void {
    const { byteLength, buffer } = payload;
    // A part of something else is not ours to give.
    if (byteLength < smallPayloadBytes || buffer.byteLength !== byteLength) return;
    if (this.#idleBytes + byteLength > maxIdleBytes) return;
    const shelf = this.#shelves.get(byteLength) ?? { idle: [], isUsed: true };
    this.#shelves.set(byteLength, shelf);
    shelf.idle.push(payload);
    this.#idleBytes += byteLength;
  }

  /** Lets go of what nobody has asked for since the last time. */
  sweep(): void {
    for (const [bytes, shelf] of this.#shelves) {
      if (!shelf.isUsed) {
        this.#shelves.delete(bytes);
        this.#idleBytes -= bytes * shelf.idle.length;
      }
      shelf.isUsed = false;
    }
  }
}

function allocateFresh(bytes: number): Buffer {
  try {
    return bytes < smallPayloadBytes ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes);
  } catch (cause) {
    throw new MetatrainError('QUEUE_FULL', `there is no memory for a payload of ${bytes} bytes`, { cause });
  }
}
