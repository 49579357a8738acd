// An engine whose runs are timed, for the worker's metrics and for nothing else: what it computes is the engine's own.
import type { Engine } from '../engine/engine.ts';
import { startStopwatch } from '../engine/stopwatch.ts';

/** @param onRun told how long each run took, failed ones too. */
export function timedEngine(engine: Engine, onRun: (ms: number) => void): Engine {
  return {
    fingerprint: engine.fingerprint,
    get statistics() {
      return engine.statistics;
    },
    close: () => engine.close(),
    async compile(options) {
      const program = await engine.compile(options);
      return {
        ...program,
        async run(metaParams, tasks) {
          const elapsedMs = startStopwatch();
          try {
            return await program.run(metaParams, tasks);
          } finally {
            onRun(elapsedMs());
          }
        },
      };
    },
  };
}
