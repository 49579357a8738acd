// A queue of keys. A key waits only once, however often it is added, and is never handled twice at a
// time: a key that is added while it is handled is handled again afterwards.
import type { Clock } from '../../shared/clock.ts';

export class WorkQueue {
  readonly #clock: Clock;
  readonly #waiting = new Set<string>();
  readonly #active = new Set<string>();
  /** Added while they were handled. */
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, { readonly atMs: number; readonly cancel: () => void }>();
  #wake: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get length(): number {
    return this.#waiting.size;
  }

  add(key: string): void {
    if (this.#active.has(key)) this.#again.add(key);
    else this.#waiting.add(key);
    this.#wake();
  }

  /** The earliest of several times holds. */
  addAfter(key: string, delayMs: number): void {
    const atMs = this.#clock.elapsedMs() + Math.max(delayMs, 0);
    const known = this.#timers.get(key);
    if (known && known.atMs <= atMs) return;
    known?.cancel();
    // A timer has a maximum. The handler then finds that it is too early, and adds the key again.
    const cancel = this.#clock.after(Math.min(Math.max(delayMs, 0), 2 ** 31 - 1), () => {
      this.#timers.delete(key);
      this.add(key);
    });
    this.#timers.set(key, { atMs, cancel });
  }

  /**
   * Works until aborted.
   *
   * @param handle must not throw.
   * @param concurrency keys at a time.
   */
  async run(handle: (key: string) => Promise<void>, concurrency: number, signal: AbortSignal): Promise<void> {
    const running = new Set<Promise<void>>();
    while (!signal.aborted) {
      while (running.size < concurrency && !signal.aborted) {
        const [key] = this.#waiting;
        if (key === undefined) break;
        const work = this.#handle(key, handle).finally(() => {
          running.delete(work);
          this.#wake();
        });
        running.add(work);
      }
      await this.#change(signal, running.size >= concurrency);
    }
    await Promise.all(running);
    for (const { cancel } of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  async #handle(key: string, handle: (key: string) => Promise<void>): Promise<void> {
    this.#waiting.delete(key);
    this.#active.add(key);
    try {
      await handle(key);
    } finally {
      this.#active.delete(key);
      if (this.#again.delete(key)) this.add(key);
    }
  }

  #change(signal: AbortSignal, isFull: boolean): Promise<void> {
    if (signal.aborted || (!isFull && this.#waiting.size > 0)) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#wake = () => {};
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
    });
  }
}

/** Pauses that double from failure to failure, with jitter. */
export class Backoff {
  readonly #failures = new Map<string, number>();
  readonly #firstMs: number;
  readonly #longestMs: number;
  readonly #randomFraction: () => number;

  constructor(firstMs: number, longestMs: number, randomFraction: () => number) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
    this.#randomFraction = randomFraction;
  }

  /** @returns how long to wait before the next attempt. */
  failed(key: string): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const ms = Math.min(this.#firstMs * 2 ** Math.min(failures, 20), this.#longestMs);
    return ms * (0.5 + 0.5 * this.#randomFraction());
  }

  succeeded(key: string): void {
    this.#failures.delete(key);
  }
}
