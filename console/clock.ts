// Real time enters the console here and nowhere else.

/** Milliseconds since the epoch: never for a duration, since somebody may set this clock. */
export const now = (): number => Date.now();

/** Milliseconds since some moment: for durations. */
export const elapsedMs = (): number => performance.now();

/** @returns ends it. */
export function after(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}

/** @returns ends it. */
export function every(intervalMs: number, callback: () => void): () => void {
  const timer = setInterval(callback, intervalMs);
  return () => clearInterval(timer);
}

/** Calls `draw` before the next frame, once however often it is asked for until then. */
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

/** Calls `act` once for all that ask within an interval: at once, and again at its end where somebody has asked meanwhile. */
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
