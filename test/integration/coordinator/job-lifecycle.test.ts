import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { status } from '@grpc/grpc-js';
import { readJob } from '../../../learning/job-file.ts';
import { Training } from '../../../learning/outer-loop/training.ts';
import { decodeCheckpoint } from '../../../shared/checkpoint.ts';
import { lossHeads, rowMessages, rowsOf } from '../../support/measures.ts';
import { call, collect, rejection, specText, TestCluster } from './cluster.ts';
import { gradientSum, initialParams, type JobLease, type NullWorker, smallLayout } from './null-worker.ts';

/** What one process computes by itself: the same shards, added one after another. */
function expectedSha256(text: string): string {
  const job = readJob(text);
  const { meta, placement } = job.spec;
  const training = Training.begin(job, smallLayout, initialParams(smallLayout));
  const shards = Math.ceil(meta.batchSize / placement.shardSize);
  for (let step = 0; step < meta.iterations; step += 1) {
    for (let shard = 0; shard < shards; shard += 1) {
      const firstTask = step * meta.batchSize + shard * placement.shardSize;
      const taskCount = Math.min(placement.shardSize, meta.batchSize - shard * placement.shardSize);
      training.keepTrainResult(shard, shards, {
        metaGradientSum: gradientSum(training.metaParams.vector, firstTask, taskCount),
        taskCount,
        weight: taskCount,
        measures: rowsOf(new Array(taskCount).fill(1)),
        nonFiniteTasks: [],
      });
    }
    training.applyMetaStep(meta.iterations, lossHeads);
  }
  return training.metaParams.sha256.toString('hex');
}

test('a job ends with the parameters that one process computes by itself, with one worker and with three', async (t) => {
  const cluster = await TestCluster.start(t);
  const spec = specText({ iterations: 40 });
  await cluster.worker('w1');
  const alone = await cluster.end(await cluster.submit(spec));
  await cluster.worker('w2', { slots: 2 });
  await cluster.worker('w3', { slots: 3 });
  const together = await cluster.end(await cluster.submit(spec));
  assert.equal(alone.state, 'JOB_STATE_SUCCEEDED');
  assert.equal(alone.paramsSha256, expectedSha256(spec));
  assert.equal(together.paramsSha256, alone.paramsSha256);
  assert.equal(together.steps, 40);
});

test('the final evaluation covers every task once, with mean and 95 % interval in task order', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('w1', { slots: 2 });
  const job = await cluster.end(await cluster.submit(specText({ iterations: 2, evaluation: { tasks: 8, every: 1 } })));
  assert.deepEqual(
    job.evaluations.map(({ step }) => step),
    [1, 2],
  );
  const evaluation = job.evaluations.at(-1)!;
  // The null worker's loss of task t after s steps is t + 1/(1 + s): over tasks 0 to 7 the mean is 3.5 + 1/(1 + s), σ² is 63/12.
  const [loss, ...others] = evaluation.measures;
  assert.deepEqual([loss?.name, loss?.axis, loss?.points, others], ['loss', 'inner step', ['0', '1', '2'], []]);
  for (const [steps, { mean, halfWidth95 }] of loss!.estimates.entries()) {
    assert.ok(Math.abs(mean - (3.5 + 1 / (1 + steps))) < 1e-12);
    assert.ok(Math.abs(halfWidth95 - (1.96 * Math.sqrt(63 / 12)) / Math.sqrt(8)) < 1e-12);
  }
  assert.deepEqual(evaluation.protocol, {
    distribution: 'sinusoid',
    split: 'test',
    tasks: 8,
    ways: 0,
    shots: 5,
    queries: 5,
    transductive: false,
    splitDescription: 'null split',
    ensemble: [],
  });
});

test('the checkpoints of the best evaluations are tested together at the end, on other tasks, also over a restart', async (t) => {
  const cluster = await TestCluster.start(t);
  const lossAfter: Readonly<Record<number, number>> = { 2: 5, 4: 1, 6: 9, 8: 3 };
  const thetas = new Map<number, Float32Array>();
  const together: { members: number[]; split: string; firstTask: number; params: Float32Array }[] = [];
  const onLease = (lease: JobLease, worker: NullWorker) => {
    const { evaluate, leaseId, jobId } = lease;
    if (!evaluate) return worker.answer(lease);
    const { paramsVersion, members, split, firstTask, taskCount } = evaluate;
    const params = worker.paramsOf(lease);
    if (members.length > 0) {
      together.push({ members, split, firstTask, params });
      return worker.answer(lease);
    }
    assert.equal(split, 'validation');
    thetas.set(paramsVersion, params);
    const losses = new Array(3 * taskCount).fill(lossAfter[paramsVersion]!);
    worker.send({ shardResult: { leaseId, jobId, data: [], evaluate: { measures: rowMessages(losses) } } });
  };
  const evaluation = { tasks: 8, every: 2, split: 'validation', ensemble: 2 };
  const jobId = await cluster.submit(specText({ iterations: 8, evaluation }));
  const held = new Promise<void>((resolve) => {
    void cluster.worker('w1', {
      onLease: (lease, worker) => (lease.evaluate?.members.length ? resolve() : onLease(lease, worker)),
    });
  });
  await held;
  await cluster.restart();
  await cluster.worker('w2', { onLease });
  const { state, evaluations, checkpoints } = await cluster.end(jobId);
  assert.equal(state, 'JOB_STATE_SUCCEEDED');
  assert.deepEqual(
    evaluations.map(({ step, protocol }) => [step, protocol?.split, protocol?.ensemble]),
    [...[2, 4, 6, 8].map((step) => [step, 'validation', []]), [8, 'test', [4, 8]]],
  );
  assert.deepEqual(together.map(({ firstTask }) => firstTask).sort(), [0, 3, 6]);
  for (const { members, split, params } of together) {
    assert.deepEqual([members, split], [[4, 8], 'test']);
    assert.deepEqual([...params], [...thetas.get(4)!, ...thetas.get(8)!]);
  }
  assert.deepEqual(
    checkpoints.map(({ step }) => step),
    [4, 8],
  );
});

test('a job whose best checkpoint is damaged fails before it is tested, and keeps its parameters', async (t) => {
  const cluster = await TestCluster.start(t);
  const evaluation = { tasks: 3, every: 2, split: 'validation', ensemble: 2 };
  const jobId = await cluster.submit(specText({ iterations: 6, evaluation }));
  await cluster.worker('w1', {
    async onLease(lease, worker) {
      // of equal evaluations the earlier is the better: 2 and 4
      if (lease.evaluate?.paramsVersion === 6) {
        await cluster.watch(jobId, ({ checkpointWritten }) => checkpointWritten?.step === 4);
        const file = join(cluster.stateDirectory, 'checkpoints', jobId, 'step-000000004.safetensors');
        writeFileSync(file, 'no checkpoint');
      }
      worker.answer(lease);
    },
  });
  const { state, error, checkpoints } = await cluster.end(jobId);
  assert.equal(state, 'JOB_STATE_FAILED');
  assert.equal(error?.code, 'CHECKPOINT_CORRUPT');
  assert.match(error!.message, /step-000000004\.safetensors/);
  assert.equal(checkpoints.at(-1)?.step, 6);
});

test('a job whose last evaluation fails keeps the parameters that it has trained', async (t) => {
  const cluster = await TestCluster.start(t);
  const spec = specText({ iterations: 5 });
  await cluster.worker('w1', {
    async onLease(lease, worker) {
      if (!lease.evaluate) return worker.answer(lease);
      const { leaseId, jobId } = lease;
      await cluster.watch(jobId, ({ checkpointWritten }) => checkpointWritten?.step === 5);
      const failure = { code: 'DATA_CORRUPT', message: 'the test split cannot be read', permanent: true };
      worker.send({ shardFailure: { leaseId, jobId, ...failure } });
    },
  });
  const job = await cluster.end(await cluster.submit(spec));
  assert.equal(job.state, 'JOB_STATE_FAILED');
  assert.equal(job.error?.message, 'the test split cannot be read');
  assert.deepEqual(
    job.checkpoints.map(({ step, paramsSha256 }) => [step, paramsSha256]),
    [[5, expectedSha256(spec)]],
  );
});

test('watching replays the whole story, follows it to the end, and can begin after a given event', async (t) => {
  const cluster = await TestCluster.start(t);
  const jobId = await cluster.submit(specText({ iterations: 6, checkpoint: { every: 3 } }));
  const following = cluster.watch(jobId);
  await cluster.worker('w1');
  const followed = await following;
  const replayed = await cluster.watch(jobId);
  assert.deepEqual(replayed, followed);
  const kinds = followed.map(({ event, stateChanged }) => stateChanged?.state ?? event);
  // A checkpoint is written while training goes on, so its event has no fixed place.
  assert.deepEqual(
    kinds.filter((kind) => kind !== 'metaStep' && kind !== 'checkpointWritten'),
    ['JOB_STATE_QUEUED', 'JOB_STATE_RUNNING', 'evaluated', 'JOB_STATE_SUCCEEDED'],
  );
  assert.deepEqual(
    followed.flatMap(({ checkpointWritten }) => checkpointWritten?.step ?? []),
    [3, 6],
  );
  assert.ok(kinds.includes('metaStep'));
  assert.deepEqual(
    followed.map(({ sequence }) => sequence),
    followed.map((_, i) => i + 1),
  );
  assert.deepEqual(await cluster.watch(jobId, undefined, 3), followed.slice(3));
});

test('a downloaded checkpoint has the hash on record and opens to the parameters of the job', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('w1');
  const spec = specText({ iterations: 12, checkpoint: { every: 4, keep: 2 } });
  const jobId = await cluster.submit(spec);
  const job = await cluster.end(jobId);
  assert.deepEqual(
    job.checkpoints.map(({ step }) => step),
    [8, 12],
  );
  for (const request of [{ jobId }, { jobId, step: 8 }]) {
    const chunks = await collect(cluster.jobs.DownloadCheckpoint(request));
    const info = chunks[0]!.info!;
    const bytes = Buffer.concat(chunks.map(({ data }) => data));
    assert.equal(info.step, request.step ?? 12);
    assert.equal(bytes.byteLength, info.bytes);
    assert.equal(createHash('sha256').update(bytes).digest('hex'), info.sha256);
    const { metadata, layout, slots } = decodeCheckpoint(bytes, 'download');
    assert.equal(metadata.step, info.step);
    assert.equal(metadata.nextTask, info.step * 10);
    assert.equal(metadata.paramsSha256, info.paramsSha256);
    assert.deepEqual(readJob(metadata.spec).spec, readJob(spec).spec);
    assert.deepEqual(layout, smallLayout);
    assert.deepEqual(Object.keys(slots), ['firstMoment', 'secondMoment']);
    if (info.step === 12) assert.equal(metadata.previousSha256, job.checkpoints[0]!.sha256);
  }
  assert.equal(job.checkpoints.at(-1)!.paramsSha256, job.paramsSha256);
});

test('a paused job grants nothing until it is resumed, and a cancelled one ends', async (t) => {
  const cluster = await TestCluster.start(t);
  const jobId = await cluster.submit(specText({ iterations: 100_000 }));
  const worker = await cluster.worker('w1');
  await cluster.watch(jobId, ({ metaStep }) => metaStep !== null && metaStep !== undefined);
  const paused = await call(cluster.jobs, 'PauseJob', { jobId });
  assert.equal(paused.state, 'JOB_STATE_PAUSED');
  // A second job has the worker for itself now, so whatever of the first was in flight is done when it ends.
  await cluster.end(await cluster.submit(specText({ iterations: 3 })));
  const granted = worker.leases.filter((lease) => lease.jobId === jobId).length;
  await cluster.end(await cluster.submit(specText({ iterations: 3 })));
  assert.equal(worker.leases.filter((lease) => lease.jobId === jobId).length, granted);

  const resumed = await call(cluster.jobs, 'ResumeJob', { jobId });
  assert.equal(resumed.state, 'JOB_STATE_RUNNING');
  await cluster.watch(jobId, ({ metaStep }) => (metaStep?.step ?? 0) > paused.steps + 1);
  const cancelled = await call(cluster.jobs, 'CancelJob', { jobId });
  assert.equal(cancelled.state, 'JOB_STATE_CANCELLED');
  assert.ok(cancelled.endedAt);
  assert.equal((await cluster.watch(jobId)).at(-1)?.stateChanged?.state, 'JOB_STATE_CANCELLED');
});

test('two jobs share one worker from the start', async (t) => {
  const cluster = await TestCluster.start(t);
  const first = await cluster.submit(specText({ iterations: 30 }));
  const second = await cluster.submit(specText({ iterations: 30 }));
  const worker = await cluster.worker('w1');
  await Promise.all([cluster.end(first), cluster.end(second)]);
  const lastOfFirst = worker.leases.findLastIndex(({ jobId }) => jobId === first);
  const firstOfSecond = worker.leases.findIndex(({ jobId }) => jobId === second);
  assert.ok(firstOfSecond < lastOfFirst / 2, `the second job began at lease ${firstOfSecond} of ${lastOfFirst}`);
});

test('a job that has ended is deleted with all that is kept of it, for good; one that has not is not', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('w1');
  const spec = specText({ iterations: 6, checkpoint: { every: 2 } });
  const gone = await cluster.end(await cluster.submit(spec, 'a key'));
  const stays = await cluster.end(await cluster.submit(specText({ name: 'stays', iterations: 2 })));
  const waits = await cluster.submit(specText({ name: 'waits', placement: { device: 'cuda' } }));
  const directory = join(cluster.stateDirectory, 'checkpoints', gone.jobId);
  assert.ok(existsSync(directory));

  const refusal = await rejection(call(cluster.jobs, 'DeleteJob', { jobId: waits }));
  assert.equal(refusal.code, status.FAILED_PRECONDITION);
  assert.match(refusal.details, /is queued; only a job that has ended can be deleted/);
  const { checkpoints, checkpointBytes } = await call(cluster.jobs, 'DeleteJob', { jobId: gone.jobId });
  assert.equal(checkpoints, gone.checkpoints.length);
  assert.equal(
    checkpointBytes,
    gone.checkpoints.reduce((sum, { bytes }) => sum + bytes, 0),
  );

  const isGone = async () => {
    for (const again of ['GetJob', 'DeleteJob'] as const) {
      assert.equal((await rejection(call(cluster.jobs, again, { jobId: gone.jobId }))).code, status.NOT_FOUND);
    }
    const { jobs } = await call(cluster.jobs, 'ListJobs', {});
    assert.deepEqual(
      jobs.map(({ jobId }) => jobId),
      [waits, stays.jobId],
    );
  };
  await isGone();
  await until(() => !existsSync(directory));
  await cluster.restart();
  await isGone();
  // Its key is free again.
  const { alreadySubmitted } = await call(cluster.jobs, 'SubmitJob', { spec, idempotencyKey: 'a key' });
  assert.equal(alreadySubmitted, false);
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}
