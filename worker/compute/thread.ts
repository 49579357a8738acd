// The entry of a compute thread: puts the engine and the learning together and serves shards. Each job's program has an engine of its
// own, so that closing the program frees all that was compiled for it.
import { parentPort, workerData } from 'node:worker_threads';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { createEngine } from '../engine/create.ts';
import type { JobProgram } from '../learning/job-program.ts';
import { openJobProgram } from '../learning/open.ts';
import type { ThreadData } from './protocol.ts';
import { serveShards } from './serve.ts';

if (!parentPort) throw new Error('worker/compute/thread is started by the pool, not by hand');
const { dataDirectories } = workerData as ThreadData;

void serveShards(parentPort, async () => {
  const engine = await createEngine({ engine: 'compiled', device: 'cpu' });
  await engine.close();
  return { fingerprint: engine.fingerprint, openProgram };
});

async function openProgram(spec: JobSpec): Promise<JobProgram> {
  const engine = await createEngine(spec.placement);
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
