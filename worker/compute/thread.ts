// The entry of a compute thread: puts the worker's engine and the learning together and serves shards. Each job's program has an engine of its
// own, so that closing the program frees what was compiled for it alone; sessions are shared between jobs whose graphs are equal. A job that needs another engine or device than the worker's is refused:
// what the fingerprint names is what computes.
import { parentPort, workerData } from 'node:worker_threads';
import { loadSameRegistry } from '../../learning/load.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { createEngine, type EngineOptions } from '../engine/create.ts';
import type { Engine } from '../engine/engine.ts';
import { SessionCache } from '../engine/session-cache.ts';
import { openLearner } from '../learning/learner.ts';
import { openJobProgram } from '../learning/open.ts';
import type { ProgramEvents } from './program-cache.ts';
import type { ThreadData } from './protocol.ts';
import { serveShards } from './serve.ts';
import { timedEngine } from './timed-engine.ts';

const defaultEngine: EngineOptions = { engine: 'compiled', device: 'cpu' };
if (!parentPort) throw new Error('worker/compute/thread is started by the pool, not by hand');
const { dataDirectories, memoryLimitBytes, engine: offered = defaultEngine, plugins = [] } = workerData as ThreadData;
const sessions = new SessionCache({ ...(memoryLimitBytes !== undefined && { memoryLimitBytes }) });
let engineMs = 0;

void serveShards(parentPort, async () => {
  const registry = await loadSameRegistry(plugins);
  const engine = await createEngine(offered);
  await engine.close();
  const { fingerprint } = engine;
  return {
    fingerprint,
    registry,
    openProgram: ({ spec, expectedData }, events) =>
      withEngine(spec, events, (engine) => openJobProgram(spec, { registry, engine, dataDirectories, expectedData })),
    openLearner: ({ spec, expectedData }, events) =>
      withEngine(spec, events, async (engine) =>
        openLearner(spec, { registry, engine, dataDirectories, expectedData }),
      ),
    engineMs: () => engineMs,
    predictedBytes: () => sessions.heldBytes,
  };
});

/** What `open` makes, on an engine of its own that is closed with it. */
async function withEngine<Program extends { close(): Promise<void> }>(
  spec: JobSpec,
  events: ProgramEvents,
  open: (engine: Engine) => Promise<Program>,
): Promise<Program> {
  const { engine: needed, device } = spec.placement;
  if (needed !== offered.engine || device !== offered.device) {
    const message = `the job needs ${needed}/${device}, this worker offers ${offered.engine}/${offered.device}`;
    throw new MetatrainError('DEVICE_MISSING', message, { details: { needed, device } });
  }
  const { onCompiled, makeRoom, compiling } = events;
  const onRun = (ms: number) => {
    engineMs += ms;
  };
  const engine = timedEngine(await createEngine(offered, { sessions, makeRoom, onCompiled }), { compiling, onRun });
  try {
    const program = await open(engine);
    return {
      ...program,
      async close() {
        await program.close();
        await engine.close();
      },
    };
  } catch (error) {
    await engine.close();
    throw error;
  }
}
