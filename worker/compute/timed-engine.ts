// Wraps an engine to report when it compiles and how long its runs take. Does not change what the
// engine computes.
import type { Engine } from '../engine/engine.ts';
import { startStopwatch } from '../engine/stopwatch.ts';
import type { ProgramEvents } from './program-cache.ts';

export interface EngineTimes extends Pick<ProgramEvents, 'compiling'> {
  /** Called with the duration of each run, also of failed ones. */
  readonly onRun: (ms: number) => void;
}

export function timedEngine(engine: Engine, { compiling, onRun }: EngineTimes): Engine {
  return {
    fingerprint: engine.fingerprint,
    get statistics() {
      return engine.statistics;
    },
    close: () => engine.close(),
    async compile(options) {
      const program = await compiling(() => engine.compile(options));
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
