// Writes that keep their order and wait while the disk has no room: an event is written late rather
// than never, and no reader sees the second of two events before the first. Bounded: beyond the
// limit a write is refused.
import { type DiskRoom, essentialReserveBytes } from './disk-room.ts';

const maxWaiting = 10_000;

interface WaitingWrite {
  readonly bytes: number;
  readonly write: () => Promise<unknown>;
  readonly settle: (written: Promise<unknown>) => void;
}

export class OrderedWrites {
  readonly #room: DiskRoom;
  readonly #waiting: WaitingWrite[] = [];
  #hasEnded = false;

  constructor(room: DiskRoom) {
    this.#room = room;
  }

  /**
   * @param bytes about how much `write` writes. `write` is called at once if there is room and
   *   nothing waits.
   * @returns resolves when it is on the disk.
   * @throws MetatrainError `DISK_FULL` or `STORAGE_UNAVAILABLE` when too many writes wait already,
   *   when `end` was called, or when the disk refused after all.
   */
  run(bytes: number, write: () => Promise<unknown>): Promise<unknown> {
    const missing = this.#room.missing(bytes, essentialReserveBytes);
    if (this.#waiting.length === 0 && !missing) return this.#room.write(bytes, essentialReserveBytes, write);
    // There is room again, but waiting writes go first: see `retry`.
    if (missing && (this.#hasEnded || this.#waiting.length >= maxWaiting)) return Promise.reject(missing);
    const written = new Promise((settle) => this.#waiting.push({ bytes, write, settle }));
    if (!missing) this.retry();
    return written;
  }

  /**
   * From now on a write that cannot be made is refused at once: nothing will call `retry`, and
   * closing must not wait for it.
   */
  end(): void {
    this.#hasEnded = true;
  }

  /** Makes the waiting writes, as many as there is room for. */
  retry(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const { bytes, write, settle } = next;
      if (this.#room.missing(bytes, essentialReserveBytes)) return;
      this.#waiting.shift();
      settle(this.#room.write(bytes, essentialReserveBytes, write));
    }
  }
}
