// An engine that tells when it compiles and how long its runs take: what it computes is the engine's own.
import type { Engine } from '../engine/engine.ts';
import { startStopwatch } from '../engine/stopwatch.ts';
import type { ProgramEvents } from './program-cache.ts';

export interface EngineTimes extends Pick<ProgramEvents, 'compiling'> {
  /** Told how long each run took, failed ones too. */
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
