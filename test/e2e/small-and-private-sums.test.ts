// Sums that are rounded on the wire, and sums with secret noise, on real clusters: what rounding
// saves and costs, and the same bytes from one quiet worker and from three with a killed coordinator.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import type { Job } from '../../client/index.ts';
import { packageRoot } from '../../shared/wire.ts';
import { ProcessCluster, until } from '../support/process-cluster.ts';

const iterations = 120;
const shards = 8;
/** A network 1-40-40-1: its numbers, and the chunks of at most 512 that have a scale. */
const [numbers, chunks] = [1761, 9];

const job = [
  join(packageRoot, 'examples', 'sinusoid.yaml'),
  // So many shards take a while: a coordinator that is killed after a checkpoint is killed half-way.
  ...['--set', `meta.iterations=${iterations}`],
  ...['--set', 'meta.batchSize=32'],
  ...['--set', `placement.shardSize=${32 / shards}`],
  ...['--set', 'checkpoint.every=10'],
  ...['--set', 'evaluation={ every: 0, tasks: 300, innerSteps: 5 }'],
];
// Only sums that are shared travel.
const rounded = (format: string) => [
  ...['--set', `placement.results=${format}`],
  ...['--set', 'placement.spans=never'],
];
const noisy = ['--set', 'meta.privacy={ taskClipNorm: 1, noiseMultiplier: 1, delta: 0.00001, pool: 500 }'];

test('small sums and private sums', async (t) => {
  // The noise follows from a job's id and the coordinator's secret, so two clusters share both.
  const disturbed = await ProcessCluster.start(t, { job });
  const { jobId: privateJob } = await disturbed.submit(noisy);
  const quiet = await disturbed.copy();
  await quiet.startWorker('alone', ['--http', '127.0.0.1:0']);
  const privately = await succeeded(quiet, privateJob);
  const sentBytes = async () =>
    (await quiet.metricsOf('alone')).get('metatrain_worker_results_sent_bytes_total') ?? Number.NaN;
  const run = async (format: string) => {
    const before = await sentBytes();
    const { jobId } = await quiet.submit(rounded(format));
    const ended = await succeeded(quiet, jobId);
    // θ₀ travels as float32, whatever the sums do.
    return { ended, sums: (await sentBytes()) - before - 4 * numbers };
  };
  const float32 = await run('float32');
  const float16 = await run('float16');
  const int8 = await run('int8');

  await t.test('float16 sends half of the bytes and int8 a quarter, and a scale a chunk', () => {
    const scales = 4 * chunks;
    const perSum = [float32, float16, int8].map(({ sums }) => sums / (iterations * shards));
    assert.deepEqual(perSum, [4 * numbers, 2 * numbers + scales, numbers + scales]);
  });

  await t.test('rounded sums end inside the 95 % interval of float32', () => {
    const exact = lossesOf(float32.ended);
    assert.equal(exact.length, 6);
    for (const [format, { ended }] of Object.entries({ float16, int8 })) {
      assert.notEqual(ended.paramsSha256, float32.ended.paramsSha256);
      for (const [step, { mean }] of lossesOf(ended).entries()) {
        const { mean: center, halfWidth95 } = exact[step]!;
        assert.ok(Math.abs(mean - center) <= halfWidth95, `${format}, ${step}: ${mean}, ${center} ± ${halfWidth95}`);
      }
    }
  });

  await t.test('three workers and a killed coordinator give the bytes of one quiet worker', async () => {
    await disturbed.startCoordinator();
    const workers = ['first', 'second', 'third'].map((workerId) => disturbed.startWorker(workerId));
    assert.equal((await killedHalfway(disturbed, privateJob)).paramsSha256, privately.paramsSha256);
    await Promise.all(workers);
    const { jobId: smallJob } = await disturbed.submit(rounded('int8'));
    assert.equal((await killedHalfway(disturbed, smallJob)).paramsSha256, int8.ended.paramsSha256);
  });
});

/**
 * Kills the coordinator after the job's first checkpoint, starts another, and follows the job to its end.
 */
async function killedHalfway(cluster: ProcessCluster, jobId: string): Promise<Job> {
  const events = cluster.watch(jobId);
  await until(events, ({ kind }) => kind === 'checkpointWritten');
  await cluster.killCoordinator();
  await cluster.startCoordinator();
  const back = await until(events, (event) => event.kind === 'stateChanged' && /restart/.test(event.reason));
  const step = Number(/from meta-step (\d+)/.exec(back.kind === 'stateChanged' ? back.reason : '')?.[1]);
  assert.ok(step >= 10 && step < iterations, `taken up again from meta-step ${step}`);
  return succeeded(cluster, jobId);
}

async function succeeded(cluster: ProcessCluster, jobId: string): Promise<Job> {
  const ended = await cluster.ended(jobId, cluster.watch(jobId));
  assert.equal(ended.state, 'SUCCEEDED', ended.error?.message);
  return ended;
}

const lossesOf = ({ evaluations }: Job) => evaluations.at(-1)!.measures.find(({ name }) => name === 'loss')!.estimates;
