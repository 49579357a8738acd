// The only source of real time in a process, so that tests and the simulator can replace it.

export interface Clock {
  /**
   * Milliseconds since the epoch, for times that people read and dates that expire. Never for a
   * duration: somebody may set this clock.
   */
  now(): number;
  /**
   * Milliseconds, with fractions, since some moment: for every duration, deadline and rate, since
   * nobody can set it.
   */
  elapsedMs(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels it. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): () => void;
  /** Calls `callback` every `intervalMs` until cancelled. Does not keep the process alive. */
  every(intervalMs: number, callback: () => void): () => void;
}

export const realClock: Clock = {
  now: () => Date.now(),
  elapsedMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** Lets other ready work run between the parts of long work that never waits by itself. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Waits `delayMs`. Unlike a `Clock`'s timers, it keeps the process alive, for a command that waits
 * for a peer. @throws the signal's reason
 */
export function delay(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, delayMs);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
