// The entry of a compute thread: puts the worker's engine and the learning together and serves shards. Each job's program has an engine of its
// own, so that closing the program frees all that was compiled for it. A job that needs another engine or device than the worker's is refused:
// what the fingerprint names is what computes.
import { parentPort, workerData } from 'node:worker_threads';
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { createEngine, type EngineOptions } from '../engine/create.ts';
import type { JobProgram } from '../learning/job-program.ts';
import { openJobProgram } from '../learning/open.ts';
import type { ThreadData } from './protocol.ts';
import { serveShards } from './serve.ts';

const defaultEngine: EngineOptions = { engine: 'compiled', device: 'cpu' };
if (!parentPort) throw new Error('worker/compute/thread is started by the pool, not by hand');
const { dataDirectories, engine: offered = defaultEngine } = workerData as ThreadData;

void serveShards(parentPort, async () => {
  const engine = await createEngine(offered);
  await engine.close();
  return { fingerprint: engine.fingerprint, openProgram };
});

async function openProgram(spec: JobSpec): Promise<JobProgram> {
  const { engine: needed, device } = spec.placement;
  if (needed !== offered.engine || device !== offered.device) {
    const message = `the job needs ${needed}/${device}, this worker offers ${offered.engine}/${offered.device}`;
    throw new MetatrainError('DEVICE_MISSING', message, { details: { needed, device } });
  }
  const engine = await createEngine(offered);
  try {
    const program = await openJobProgram(spec, { engine, dataDirectories });
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
