// What the coordinator's metrics say when things happen to real streams: work, faults, restarts, calls, and who may read them.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { CoordinatorOptions } from '../../../coordinator/options.ts';
import { type Exposition, scrape } from '../../support/exposition.ts';
import { rowMessages } from '../../support/measures.ts';
import { call, rejection, specText, TestCluster } from '../coordinator/cluster.ts';
import { SecuredCluster, token } from '../security/secured-cluster.ts';

const http = { host: '127.0.0.1', port: 0 };

const start = (t: TestContext, options: Partial<CoordinatorOptions> = {}) => TestCluster.start(t, { http, ...options });

/** Asserts what each series says; a predicate where the figure depends on the machine. */
function assertSeries(
  found: Exposition,
  expected: Readonly<Record<string, number | ((value: number) => boolean)>>,
): void {
  for (const [series, wanted] of Object.entries(expected)) {
    const value = found.get(series) ?? Number.NaN;
    const isRight = typeof wanted === 'number' ? value === wanted : wanted(value);
    assert.ok(isRight, `${series} is ${value}, not ${wanted}`);
  }
}

const isPositive = (value: number) => value > 0;

test('an undisturbed job is counted: its leases, tasks, meta-steps, phases, bytes, evaluations and checkpoints', async (t) => {
  const cluster = await start(t);
  const jobId = await cluster.submit(specText({ iterations: 20, batchSize: 10, shardSize: 3 }));
  await cluster.worker('w');
  const job = await cluster.end(jobId);
  const found = await scrape(cluster.http);
  const labels = `{job_id="${jobId}",name="null-job"}`;
  const ofLoss = `{job_id="${jobId}",name="null-job",measure="loss"`;
  const thetaBytes = 17 * 4;
  assertSeries(found, {
    metatrain_jobs_submitted_total: 1,
    'metatrain_jobs_ended_total{state="succeeded"}': 1,
    'metatrain_jobs{state="running"}': 0,
    metatrain_queue_wait_seconds_count: 1,
    metatrain_leases: 0,
    metatrain_disk_free_bytes: isPositive,
    metatrain_disk_reserve_bytes: 16 * 2 ** 20,
    'metatrain_leases_granted_total{work="initialize"}': 1,
    'metatrain_leases_granted_total{work="train"}': 20 * 4,
    'metatrain_tasks_total{work="train"}': 20 * 10,
    'metatrain_tasks_total{work="evaluate"}': 8,
    metatrain_meta_steps_total: 20,
    metatrain_meta_step_seconds_count: 20,
    'metatrain_meta_step_phase_seconds_count{phase="broadcast"}': 20 * 4,
    'metatrain_meta_step_phase_seconds_count{phase="compute"}': 20 * 4,
    'metatrain_meta_step_phase_seconds_count{phase="apply"}': 20,
    'metatrain_meta_step_phase_seconds_sum{phase="reduce"}': isPositive,
    'metatrain_meta_step_phase_seconds_count{phase="evaluate"}': 1,
    'metatrain_meta_step_phase_seconds_count{phase="checkpoint"}': 1,
    metatrain_evaluations_total: 1,
    'metatrain_checkpoints_total{outcome="written"}': 1,
    metatrain_checkpoint_written_bytes_total: job.checkpoints[0]!.bytes,
    // θ before each meta-step and, for the evaluation, after the last; a sum for each shard and θ₀.
    metatrain_payload_sent_bytes_total: 21 * thetaBytes,
    metatrain_payload_received_bytes_total: (20 * 4 + 1) * thetaBytes,
    'metatrain_shard_results_total{outcome="counted"}': 1 + 20 * 4 + 3,
    'metatrain_result_staleness_meta_steps_bucket{le="0"}': 20 * 4,
    'metatrain_compute_seconds_total{use="wasted"}': 0,
    'metatrain_workers{state="idle"}': 1,
    metatrain_workers_slots: 1,
    'metatrain_worker_shards_total{worker_id="w"}': 1 + 20 * 4 + 3,
    [`metatrain_job_meta_steps${labels}`]: 20,
    [`metatrain_job_training_measure${ofLoss}}`]: job.lastMetaStep!.measures[0]!.value,
    [`metatrain_job_task_gradient_variance${labels}`]: job.lastMetaStep!.taskGradientVariance!,
    [`metatrain_job_task_gradient_cosine${labels}`]: job.lastMetaStep!.taskGradientCosine!,
    [`metatrain_job_checkpoint_meta_step${labels}`]: 20,
    [`metatrain_job_evaluation_measure${ofLoss},point="first"}`]: job.evaluations[0]!.measures[0]!.estimates[0]!.mean,
    [`metatrain_job_evaluation_measure${ofLoss},point="last"}`]: job.evaluations[0]!.measures[0]!.estimates[2]!.mean,
    [`metatrain_job_adaptation_gain${ofLoss}}`]: (value) => Math.abs(value - (1 - 1 / 3)) < 1e-12,
  });
  const useful = found.get('metatrain_compute_seconds_total{use="useful"}')!;
  assert.ok(Math.abs(useful - 80 * 0.0001) < 1e-9, `${useful} s of useful compute`);
  assert.ok(![...found.keys()].some((series) => series.startsWith('metatrain_job_evaluation_accuracy')));
});

test('a lost worker shows as a retry, wasted time, and the time until its shard counts', async (t) => {
  const cluster = await start(t);
  const jobId = await cluster.submit();
  let killed: Promise<void> | undefined;
  await cluster.worker('mortal', {
    onLease(lease, worker) {
      if (lease.train?.metaStep === 2) killed ??= worker.kill();
      else worker.answer(lease);
    },
  });
  await cluster.watch(jobId, ({ shardRetried }) => shardRetried?.workerId === 'mortal');
  assertSeries(await scrape(cluster.http), {
    'metatrain_shards_retried_total{cause="workerLost"}': 1,
    'metatrain_recovery_seconds_count{after="workerLost"}': 0,
    metatrain_workers_left_total: 1,
    'metatrain_workers{state="idle"}': 0,
    metatrain_queue_shards: 4,
    'metatrain_jobs{state="running"}': 1,
  });
  await cluster.worker('survivor');
  await cluster.end(jobId);
  await killed;
  const found = await scrape(cluster.http);
  assertSeries(found, {
    'metatrain_recovery_seconds_count{after="workerLost"}': 1,
    'metatrain_recovery_seconds_sum{after="workerLost"}': isPositive,
    metatrain_workers_joined_total: 2,
  });
  assert.ok(found.has('metatrain_worker_shards_total{worker_id="survivor"}'));
  assert.ok(!found.has('metatrain_worker_shards_total{worker_id="mortal"}'), 'a worker’s series end with its stream');
});

test('failures, rejected results, deadlines and quarantines are counted apart, with any figure of a worker for its time', async (t) => {
  const core = { leaseFirstMs: 300, leaseFloorMs: 300, failuresToQuarantine: 1 };
  const cluster = await start(t, { core });
  const jobId = await cluster.submit(specText({ iterations: 3 }));
  const faults = ['failure', 'rejected', 'deadline'];
  const odd = [Number.NaN, Number.NEGATIVE_INFINITY, -5, 1e300];
  await cluster.worker('odd', {
    onLease(lease, worker) {
      const { leaseId, jobId } = lease;
      const computeMs = odd[worker.leases.length % odd.length]!;
      const fault = lease.train && faults.shift();
      if (fault === 'failure') {
        worker.send({ shardFailure: { leaseId, jobId, code: 'INTERNAL', message: 'no', permanent: false } });
      } else if (fault === 'rejected') {
        worker.send({ shardResult: { leaseId, jobId, computeMs, evaluate: { measures: rowMessages([1]) } } });
      } else if (fault === undefined) worker.answer(lease, computeMs);
    },
  });
  await cluster.watch(jobId, ({ shardRetried }) => shardRetried !== undefined && faults.length <= 1);
  await cluster.worker('healthy');
  assert.equal((await cluster.end(jobId)).state, 'JOB_STATE_SUCCEEDED');
  assertSeries(await scrape(cluster.http), {
    'metatrain_shards_retried_total{cause="failure"}': 1,
    'metatrain_shards_retried_total{cause="rejected"}': 1,
    'metatrain_shard_results_total{outcome="failed"}': 1,
    'metatrain_shard_results_total{outcome="rejected"}': 1,
    metatrain_workers_quarantined_total: isPositive,
    'metatrain_compute_seconds_total{use="useful"}': (value) => value >= 0 && value < 1e7,
  });
});

test('a slow shard shows as a second lease, the one that won, and the one that lost', async (t) => {
  const cluster = await start(t, { core: { duplicateFloorMs: 50 } });
  let isHeld = false;
  await cluster.worker('slow', {
    onLease(lease, worker) {
      if (!isHeld && lease.train?.metaStep === 1) isHeld = true;
      else worker.answer(lease);
    },
  });
  await cluster.worker('quick');
  await cluster.end(await cluster.submit(specText({ iterations: 3 })));
  assertSeries(await scrape(cluster.http), {
    metatrain_leases_speculative_total: 1,
    metatrain_leases_speculative_won_total: 1,
    'metatrain_leases_cancelled_total{cause="overtaken"}': 1,
    'metatrain_compute_seconds_total{use="wasted"}': isPositive,
  });
});

test('a restart shows as restored jobs, and the time until their first result counts', async (t) => {
  const cluster = await start(t);
  const jobId = await cluster.submit(specText({ iterations: 20 }));
  const stalled = new Promise<void>((resolve) => {
    void cluster.worker('stalls', {
      onLease: (lease, worker) => (lease.train?.metaStep === 5 ? resolve() : worker.answer(lease)),
    });
  });
  await stalled;
  await cluster.restart({ http });
  const before = await scrape(cluster.http);
  assertSeries(before, {
    metatrain_jobs_restored_total: 1,
    metatrain_jobs_submitted_total: 0,
    'metatrain_recovery_seconds_count{after="restart"}': 0,
    [`metatrain_job_iterations{job_id="${jobId}",name="null-job"}`]: 20,
  });
  await cluster.worker('w');
  await cluster.end(jobId);
  assertSeries(await scrape(cluster.http), {
    'metatrain_recovery_seconds_count{after="restart"}': 1,
    'metatrain_recovery_seconds_sum{after="restart"}': isPositive,
  });
});

test('a job has series from its first lease until a little after its end', async (t) => {
  const cluster = await start(t, { limits: { endedJobSeriesMs: 50 } });
  const jobId = await cluster.submit();
  const seriesOfJob = async () => [...(await scrape(cluster.http)).keys()].filter((series) => series.includes(jobId));
  assert.deepEqual(await seriesOfJob(), []);
  await cluster.worker('w');
  await cluster.end(jobId);
  while ((await seriesOfJob()).length > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('calls are counted by method and status, refused ones too', async (t) => {
  const cluster = await start(t);
  await call(cluster.jobs, 'ListJobs', {});
  assert.equal((await rejection(cluster.job('none'))).code, status.NOT_FOUND);
  const jobId = await cluster.submit();
  await cluster.worker('w');
  assertSeries(await scrape(cluster.http), {
    'metatrain_rpc_calls_total{method="JobService/ListJobs",status="OK"}': 1,
    'metatrain_rpc_calls_total{method="JobService/GetJob",status="NOT_FOUND"}': 1,
    'metatrain_rpc_call_seconds_count{method="JobService/GetJob"}': 1,
    'metatrain_rpc_calls_in_flight{method="WorkerService/Connect"}': 1,
    'metatrain_rpc_calls_in_flight{method="JobService/GetJob"}': 0,
  });
  await cluster.end(jobId);
});

test('with tokens, reading the metrics requires a token that may read', async (t) => {
  const [reader, worker] = [token('prometheus', ['read']), token('pool', ['worker'])];
  const cluster = await SecuredCluster.start(t, [reader, worker], { http });
  const read = (headers: Record<string, string>) => fetch(`http://${cluster.coordinator.http}/metrics`, { headers });
  const bearer = ({ secret }: { readonly secret: string }) => ({ authorization: `Bearer ${secret}` });
  assert.equal((await read({})).status, 401);
  assert.equal((await read(bearer(worker))).status, 403);
  assert.equal((await rejection(call(cluster.jobs(worker), 'ListJobs', {}))).code, status.PERMISSION_DENIED);
  const answer = await read(bearer(reader));
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const text = await answer.text();
  assert.match(text, /^metatrain_rpc_calls_total\{method="JobService\/ListJobs",status="PERMISSION_DENIED"\} 1$/m);
});
