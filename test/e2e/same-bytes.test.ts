// The promise of the whole: for one job file the same θ to the bit, whatever cluster runs it and whatever dies on the way.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { RunResult } from '../../client/cli/run-result.ts';
import type { JobEvent } from '../../client/index.ts';
import { packageRoot } from '../../shared/wire.ts';
import { metatrain } from '../support/command.ts';
import { ProcessCluster, until } from '../support/process-cluster.ts';

const iterations = 160;
/** Five inner steps of second order: slow enough that what is killed after the first checkpoint is killed half-way. */
const overrides = [
  `meta.iterations=${iterations}`,
  'meta.batchSize=32',
  'algorithm.innerSteps=5',
  'placement.shardSize=4',
  'checkpoint.every=10',
  'evaluation.tasks=50',
];
const jobFile = join(packageRoot, 'examples', 'sinusoid.yaml');
const setFlags = overrides.flatMap((override) => ['--set', override]);

async function run(t: TestContext, workers: number): Promise<RunResult> {
  const result = await metatrain(t, [
    'run',
    jobFile,
    ...setFlags,
    '--workers',
    String(workers),
    '--no-output',
    '--json',
  ]);
  assert.equal(result.code, 0, result.stderr);
  return result.json<RunResult>();
}

let reference: RunResult | undefined;

test('one, two and three workers give the same parameters and the same evaluation, to the bit', async (t) => {
  const alone = await run(t, 1);
  reference = alone;
  assert.equal(alone.state, 'SUCCEEDED');
  assert.equal(alone.steps, iterations);
  assert.match(alone.paramsSha256, /^[0-9a-f]{64}$/);
  for (const workers of [2, 3]) {
    const together = await run(t, workers);
    assert.equal(together.paramsSha256, alone.paramsSha256, `${workers} workers`);
    assert.deepEqual(together.evaluation, alone.evaluation, `${workers} workers`);
  }
});

test('a worker killed half-way and another that joins change nothing', async (t) => {
  const cluster = await ProcessCluster.start(t, { job: [jobFile, ...setFlags] });
  const victim = await cluster.startWorker('victim');
  await cluster.startWorker('stays');
  const { jobId, events } = await cluster.submit();
  await until(events, ({ kind }) => kind === 'checkpointWritten');
  await victim.kill('SIGKILL');
  await cluster.startWorker('joins');
  await assertSameBytes(t, cluster, jobId, events);
});

test('a coordinator killed half-way and started again goes on; its workers come back by themselves', async (t) => {
  const cluster = await ProcessCluster.start(t, { job: [jobFile, ...setFlags] });
  const workers = [await cluster.startWorker('first'), await cluster.startWorker('second')];
  const { jobId, events } = await cluster.submit();
  await until(events, ({ kind }) => kind === 'checkpointWritten');
  await cluster.killCoordinator();
  await cluster.startCoordinator();
  const back = await until(events, (event) => event.kind === 'stateChanged' && /restart/.test(event.reason));
  const step = Number(/from meta-step (\d+)/.exec(back.kind === 'stateChanged' ? back.reason : '')?.[1]);
  assert.ok(step >= 10 && step < iterations, `taken up again from meta-step ${step}`);
  await assertSameBytes(t, cluster, jobId, events);
  assert.deepEqual(await cluster.workerIds(), ['first', 'second']);
  for (const worker of workers) assert.equal(worker.child.exitCode, null, worker.stderr);
});

/** Follows the job to its end; its parameters and its evaluation must be those of one quiet worker. */
async function assertSameBytes(
  t: TestContext,
  cluster: ProcessCluster,
  jobId: string,
  events: AsyncGenerator<JobEvent, void>,
): Promise<void> {
  const job = await cluster.ended(jobId, events);
  assert.equal(job.state, 'SUCCEEDED', job.error?.message);
  reference ??= await run(t, 1);
  assert.equal(job.paramsSha256, reference.paramsSha256);
  assert.deepEqual(job.evaluations.at(-1), reference.evaluation);
}
