// A job and its workers that say as much as they can: other clients are answered.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { ClusterEvent__Output } from '../../../shared/gen/metatrain/v1/ClusterEvent.ts';
import { call, collect, specText, TestCluster } from './cluster.ts';

test('failures with texts of 2 MB break neither the job nor its watchers nor the events', async (t) => {
  const cluster = await TestCluster.start(t);
  const message = 'é'.repeat(1_000_000);
  for (const workerId of ['w1', 'w2', 'w3']) {
    await cluster.worker(workerId, {
      onLease: ({ leaseId, jobId }, worker) =>
        worker.send({ shardFailure: { leaseId, jobId, code: 'x'.repeat(100_000), message } }),
    });
  }
  const jobId = await cluster.submit();
  const job = await cluster.end(jobId);
  assert.equal(job.error?.code, 'SHARD_FAILED');
  assert.match(job.error.message, /w1: é+ … \(1000000 characters\)/);
  assert.ok(Buffer.byteLength(job.error.message) <= 8_192);
  const watched = await collect(cluster.jobs.WatchJob({ jobId }));
  assert.equal(watched.at(-1)?.stateChanged?.error?.code, 'SHARD_FAILED');
  const events: ClusterEvent__Output[] = await collect(cluster.cluster.WatchEvents({ noFollow: true }));
  for (const { data } of events) assert.ok(data.length < 100_000, `an event of ${data.length} bytes`);
  const { jobs } = await call(cluster.jobs, 'ListJobs', {});
  assert.deepEqual(
    jobs.map(({ jobId }) => jobId),
    [jobId],
  );
});

test('a worker whose results repeat endless texts is quarantined, and the list of workers stays readable', async (t) => {
  const cluster = await TestCluster.start(t, { core: { failuresToQuarantine: 1 } });
  await cluster.worker('w1', {
    onLease: ({ leaseId }, worker) => worker.send({ shardResult: { leaseId, jobId: 'j'.repeat(3_000_000) } }),
  });
  const jobId = await cluster.submit();
  await cluster.watch(jobId, ({ shardRetried }) => !!shardRetried);
  const { workers } = await call(cluster.cluster, 'ListWorkers', {});
  assert.match(workers[0]?.idleReason ?? '', /^quarantined .*job_id: got j+\.\.\.; accepted: /);
  assert.equal((await cluster.job(jobId)).waiting?.reason, 'workersHeld');
});

test('after 210 evaluations of 1,000 inner steps a job is read and listed as any other, and its story has all of them', async (t) => {
  const innerSteps = 1_000;
  const cluster = await TestCluster.start(t);
  await cluster.worker('w1');
  const jobId = await cluster.submit(
    specText({ iterations: 210, batchSize: 1, shardSize: 1, evaluation: { every: 1, tasks: 2, innerSteps } }),
  );
  const job = await cluster.end(jobId);
  assert.equal(job.state, 'JOB_STATE_SUCCEEDED');
  const steps = job.evaluations.map(({ step }) => step);
  assert.deepEqual([steps[0], steps.at(-1)], [1, 210]);
  for (const { measures } of job.evaluations) assert.equal(measures[0]?.estimates.length, innerSteps + 1);
  const { jobs } = await call(cluster.jobs, 'ListJobs', {});
  assert.deepEqual(jobs[0]?.lastEvaluation?.measures[0]?.points, [String(innerSteps)]);
  const story = await collect(cluster.jobs.WatchJob({ jobId }));
  assert.equal(story.filter(({ evaluated }) => evaluated).length, 210);
});

test('workers are listed in pages that fit a message, each worker once', async (t) => {
  // None may be lost for silence on a busy machine.
  const cluster = await TestCluster.start(t, { core: { heartbeatIntervalMs: 3_600_000 } });
  const ids = Array.from({ length: 300 }, (_, i) => `worker ${i} ${'w'.repeat(100)}`);
  for (const workerId of ids) await cluster.worker(workerId, { fingerprint: 'f'.repeat(400) });
  const listed: string[] = [];
  let pages = 0;
  let pageToken = '';
  do {
    const page = await call(cluster.cluster, 'ListWorkers', { pageToken });
    listed.push(...page.workers.map(({ workerId }) => workerId));
    pageToken = page.nextPageToken;
    pages += 1;
  } while (pageToken !== '');
  assert.deepEqual(listed, ids);
  assert.ok(pages > 1);
});
