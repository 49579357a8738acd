// How long a step of compiling took, for reports and for nothing else: no result depends on it.

/** @returns milliseconds since the call. */
export function startStopwatch(): () => number {
  const startedAt = performance.now();
  return () => performance.now() - startedAt;
}
