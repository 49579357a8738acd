// Memory for payloads on their way in, used again and again: fresh memory of that size is zeroed by the system page by page and keeps the garbage
// collector busy. Bounded; what is not given back is collected like anything else.
const maxIdleBytes = 128 * 2 ** 20;

/** Below this, Node's own pool serves. */
const smallPayloadBytes = 2_048;

interface Shelf {
  readonly idle: Buffer[];
  isUsed: boolean;
}

export class PayloadMemory {
  /** By size: a job's payloads are all of one. */
  readonly #shelves = new Map<number, Shelf>();
  #idleBytes = 0;

  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** What is in it does not matter. It begins at a boundary of 8 bytes unless it is small. */
  allocate(bytes: number): Buffer {
    const shelf = this.#shelves.get(bytes);
    const idle = shelf?.idle.pop();
    if (shelf && idle) {
      shelf.isUsed = true;
      this.#idleBytes -= bytes;
      return idle;
    }
    return bytes < smallPayloadBytes ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes);
  }

  /** Whoever gives it back must not look at it again. */
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
