// The only source of real time in the console.

/** Milliseconds since 1970. Not for durations, since the clock may be set. */
export const now = (): number => Date.now();

/** Milliseconds since a fixed moment, for durations. */
export const elapsedMs = (): number => performance.now();

/** @returns a function that cancels the call. */
export function after(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}

/** @returns a function that ends the calls. */
export function every(intervalMs: number, callback: () => void): () => void {
  const timer = setInterval(callback, intervalMs);
  return () => clearInterval(timer);
}

/** Calls `draw` before the next frame, once for all requests until then. */
export function beforeNextFrame(draw: () => void): () => void {
  let isAskedFor = false;
  return () => {
    if (isAskedFor) return;
    isAskedFor = true;
    requestAnimationFrame(() => {
      isAskedFor = false;
      draw();
    });
  };
}

/**
 * Calls `act` at once, and then at most once an interval: again at its end if there was another
 * request.
 */
export function atMostEvery(intervalMs: number, act: () => void): () => void {
  let isResting = false;
  let isAskedFor = false;
  const ask = () => {
    isAskedFor = isResting;
    if (isResting) return;
    isResting = true;
    act();
    after(intervalMs, () => {
      isResting = false;
      if (isAskedFor) ask();
    });
  };
  return ask;
}
