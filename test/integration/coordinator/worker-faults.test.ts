import assert from 'node:assert/strict';
import test from 'node:test';
import { status } from '@grpc/grpc-js';
import { type Clock, realClock } from '../../../shared/clock.ts';
import { silentLogger } from '../../../shared/log.ts';
import { sha256 } from '../../../shared/tensor-codec.ts';
import { Mailbox } from '../../support/mailbox.ts';
import { rowMessages } from '../../support/measures.ts';
import { call, rejection, specText, TestCluster } from './cluster.ts';
import { gradientSum, type JobLease, type NullWorker } from './null-worker.ts';

const codeOf = (metadata: { get(key: string): unknown[] }) => metadata.get('metatrain-code')[0];

/** The hash of an undisturbed run of the usual spec. */
async function undisturbed(cluster: TestCluster, spec: string): Promise<string> {
  const worker = await cluster.worker('undisturbed');
  const { paramsSha256 } = await cluster.end(await cluster.submit(spec));
  await worker.close();
  return paramsSha256;
}

test("when a worker dies with a shard, another one computes it and the job's bytes are equal", async (t) => {
  const cluster = await TestCluster.start(t);
  const spec = specText({ iterations: 30 });
  const expected = await undisturbed(cluster, spec);
  const jobId = await cluster.submit(spec);
  for (let i = 0; i < 5; i += 1) {
    const dying: Promise<void> = new Promise((resolve, reject) => {
      let count = 0;
      cluster
        .worker(`mortal-${i}`, {
          onLease(lease, worker) {
            count += 1;
            if (count > 9) worker.kill().then(resolve, reject);
            else worker.answer(lease);
          },
        })
        .catch(reject);
    });
    await dying;
  }
  await cluster.worker('survivor');
  const job = await cluster.end(jobId);
  assert.equal(job.state, 'JOB_STATE_SUCCEEDED');
  assert.equal(job.paramsSha256, expected);
  const retries = (await cluster.watch(jobId)).flatMap(({ shardRetried }) => shardRetried?.workerId ?? []);
  assert.deepEqual(
    retries,
    [0, 1, 2, 3, 4].map((i) => `mortal-${i}`),
  );
});

test('a worker that misses three heartbeats loses its leases and its stream', async (t) => {
  const cluster = await TestCluster.start(t, { core: { heartbeatIntervalMs: 60 } });
  const jobId = await cluster.submit();
  const silent = await cluster.worker('silent', { onLease: (_, worker) => worker.stopHeartbeats() });
  const { code, details, metadata } = await silent.ended;
  assert.equal(code, status.DEADLINE_EXCEEDED);
  assert.match(details, /no heartbeat from worker silent for \d+ ms/);
  assert.equal(codeOf(metadata), 'DEADLINE_EXCEEDED');
  await cluster.worker('healthy');
  assert.equal((await cluster.end(jobId)).state, 'JOB_STATE_SUCCEEDED');
});

test('a silent worker is lost even if the clock is set back by an hour', { timeout: 60_000 }, async (t) => {
  let setBackMs = 0;
  const clock: Clock = { ...realClock, now: () => realClock.now() - setBackMs };
  const cluster = await TestCluster.start(t, { core: { heartbeatIntervalMs: 60 } }, silentLogger, clock);
  const jobId = await cluster.submit();
  const silent = await cluster.worker('silent', {
    onLease: (_, worker) => {
      worker.stopHeartbeats();
      setBackMs = 3_600_000;
    },
  });
  assert.equal((await silent.ended).code, status.DEADLINE_EXCEEDED);
  await cluster.worker('healthy');
  const { state, lastMetaStep } = await cluster.end(jobId);
  assert.equal(state, 'JOB_STATE_SUCCEEDED');
  assert.ok((lastMetaStep?.metaStepsPerSecond ?? 0) > 0);
});

test('two jobs with the same parameters share a worker: payloads of one name do not disturb each other', async (t) => {
  const cluster = await TestCluster.start(t);
  const worker = await cluster.worker('w1', { slots: 4 });
  const ids = [await cluster.submit(), await cluster.submit(), await cluster.submit()];
  const jobs = await Promise.all(ids.map((jobId) => cluster.end(jobId)));
  assert.equal(new Set(jobs.map(({ paramsSha256 }) => paramsSha256)).size, 1);
  assert.ok(jobs.every(({ state }) => state === 'JOB_STATE_SUCCEEDED'));
  assert.deepEqual(worker.cancelled, []);
});

test('a result that is sent twice counts once, and the worker is told why', async (t) => {
  const cluster = await TestCluster.start(t);
  const spec = specText({ iterations: 10 });
  const expected = await undisturbed(cluster, spec);
  const twice = await cluster.worker('twice', {
    onLease(lease, worker) {
      worker.answer(lease);
      worker.answer(lease);
    },
  });
  const job = await cluster.end(await cluster.submit(spec));
  assert.equal(job.paramsSha256, expected);
  assert.ok(twice.cancelled.length > 0);
  assert.ok(twice.cancelled.every(({ reason }) => reason === 'its result has been counted'));
});

test('a slow shard is computed a second time by an idle worker, and the late result is dropped', async (t) => {
  const cluster = await TestCluster.start(t, { core: { duplicateFloorMs: 50 } });
  const spec = specText({ iterations: 3 });
  const expected = await undisturbed(cluster, spec);
  let held: JobLease | undefined;
  const slow = await cluster.worker('slow', {
    onLease(lease, worker) {
      if (!held && lease.train?.metaStep === 1) held = lease;
      else worker.answer(lease);
    },
  });
  await cluster.worker('quick');
  const job = await cluster.end(await cluster.submit(spec));
  assert.equal(job.paramsSha256, expected);
  assert.ok(held);
  assert.deepEqual(
    slow.cancelled.map(({ leaseId, reason }) => [leaseId, reason]),
    [[held.leaseId, "another worker's result of the shard has been counted"]],
  );
});

test('a lease ends at its deadline, and the shard goes to another worker', async (t) => {
  const cluster = await TestCluster.start(t, { core: { leaseFirstMs: 100, leaseFloorMs: 100 } });
  const jobId = await cluster.submit();
  const stuck = await cluster.worker('stuck', { onLease: () => {} });
  await cluster.watch(jobId, ({ shardRetried }) => shardRetried?.workerId === 'stuck');
  await cluster.worker('healthy');
  assert.equal((await cluster.end(jobId)).state, 'JOB_STATE_SUCCEEDED');
  assert.match(stuck.cancelled[0]!.reason, /no result within the lease's 100 ms/);
});

/** Each is a wrong answer to training work; the job must end as if it had not been given. */
const wrongAnswers: Record<string, (lease: JobLease, worker: NullWorker) => RegExp> = {
  'a payload with another hash than its name'(lease, worker) {
    const bytes = Buffer.alloc(17 * 4);
    const payloadSha256 = sha256(Buffer.from('something else'));
    worker.send({ payloadChunk: { payloadSha256, payloadBytes: bytes.byteLength, offset: 0, data: bytes } });
    sendTrainResult(worker, lease, payloadSha256);
    return /payload_sha256: got [0-9a-f]{64}; accepted: [0-9a-f]{64}, the hash of the bytes/;
  },
  'a payload that was never sent'(lease, worker) {
    sendTrainResult(worker, lease, sha256(Buffer.from('nothing')));
    return /payload_sha256: got a payload that was not sent/;
  },
  'a gradient of another length'(lease, worker) {
    sendTrainResult(worker, lease, worker.sendPayload(new Float32Array(16)));
    return /payload_bytes: got 64; accepted: what a lease of this worker calls for/;
  },
  'a NaN in the gradient'(lease, worker) {
    const gradient = gradientSum(worker.paramsOf(lease), 0, 3);
    gradient[5] = Number.NaN;
    sendTrainResult(worker, lease, worker.sendPayload(gradient));
    return /holds a NaN or an infinity/;
  },
  'an infinity in the gradient'(lease, worker) {
    sendTrainResult(worker, lease, worker.sendPayload(new Float32Array(17).fill(Number.NEGATIVE_INFINITY)));
    return /holds a NaN or an infinity/;
  },
  'losses of another number of tasks'(lease, worker) {
    sendTrainResult(worker, lease, worker.sendPayload(new Float32Array(17)), [1, 2, 3, 4]);
    return /measures\.loss: got 4 values; accepted: 3/;
  },
  'the result of other work'(lease, worker) {
    const { leaseId, jobId } = lease;
    worker.send({ shardResult: { leaseId, jobId, evaluate: { measures: rowMessages([1]) } } });
    return /result: got evaluate; accepted: train/;
  },
  'the result of another job'(lease, worker) {
    worker.send({
      shardResult: { leaseId: lease.leaseId, jobId: 'other', train: { payloadSha256: Buffer.alloc(32) } },
    });
    return /job_id: got other; accepted: /;
  },
  'a payload larger than is taken'(lease, worker) {
    const payloadSha256 = sha256(Buffer.from('large'));
    worker.send({ payloadChunk: { payloadSha256, payloadBytes: 2 ** 40, offset: 0, data: Buffer.alloc(4) } });
    sendTrainResult(worker, lease, payloadSha256);
    return /payload_bytes: got 1099511627776; accepted: at most/;
  },
};

test('a thousand payloads that no lease calls for, announced as large, cost neither memory nor the stream', async (t) => {
  const cluster = await TestCluster.start(t, { core: { heartbeatIntervalMs: 60_000 } });
  let announced = 0;
  const worker = await cluster.worker('announcing', {
    slots: 1_024,
    onLease(lease, worker) {
      for (; announced < 1_025; announced += 1) {
        const payloadSha256 = sha256(Buffer.from(`payload ${announced}`));
        worker.send({ payloadChunk: { payloadSha256, payloadBytes: 2 ** 30, offset: 0, data: Buffer.alloc(1) } });
      }
      worker.answer(lease);
    },
  });
  const before = process.memoryUsage().arrayBuffers;
  const job = await cluster.end(await cluster.submit());
  assert.equal(job.state, 'JOB_STATE_SUCCEEDED');
  assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 28);
  assert.deepEqual(worker.cancelled, []);
});

function sendTrainResult(
  worker: NullWorker,
  { leaseId, jobId }: JobLease,
  payloadSha256: Buffer,
  losses = [1, 2, 3],
): void {
  const train = { payloadSha256, weight: losses.length, measures: rowMessages(losses) };
  worker.send({ shardResult: { leaseId, jobId, train } });
}

for (const [name, answerWrongly] of Object.entries(wrongAnswers)) {
  test(`${name} is rejected with a reason and leaves the job's bytes as they were`, async (t) => {
    const cluster = await TestCluster.start(t);
    const spec = specText({ iterations: 4 });
    const expected = await undisturbed(cluster, spec);
    let reason: RegExp | undefined;
    const wrong = await cluster.worker('wrong', {
      onLease(lease, worker) {
        if (reason || lease.train?.metaStep !== 1) worker.answer(lease);
        else reason = answerWrongly(lease, worker);
      },
    });
    const jobId = await cluster.submit(spec);
    const job = await cluster.end(jobId);
    assert.equal(job.paramsSha256, expected);
    assert.equal(job.state, 'JOB_STATE_SUCCEEDED');
    const retries = (await cluster.watch(jobId)).flatMap(({ shardRetried }) => shardRetried ?? []);
    assert.equal(retries.length, 1);
    assert.match(retries[0]!.reason, reason!);
    assert.match(wrong.cancelled[0]!.reason, reason!);
  });
}

test('a shard that fails on three workers fails the job with their three messages', async (t) => {
  const cluster = await TestCluster.start(t);
  for (const name of ['w1', 'w2', 'w3', 'w4']) {
    await cluster.worker(name, {
      onLease(lease, worker) {
        const { leaseId, jobId } = lease;
        if (lease.train?.firstTask !== 13) worker.answer(lease);
        else worker.send({ shardFailure: { leaseId, jobId, code: 'INTERNAL', message: `${name} cannot` } });
      },
    });
  }
  const job = await cluster.end(await cluster.submit());
  assert.equal(job.state, 'JOB_STATE_FAILED');
  assert.equal(job.error?.code, 'SHARD_FAILED');
  assert.match(job.error.message, /^shard 1 of meta-step 1 \(tasks 13 to 15\) failed 3 times\. /);
  assert.equal(job.error.message.match(/w[1-4]: w[1-4] cannot/g)?.length, 3);
});

test('a permanent failure fails the job at once with the code that the worker gave', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('w1', {
    onLease({ leaseId, jobId }, worker) {
      const message = 'task.ways: got 5000; accepted: at most 964';
      worker.send({ shardFailure: { leaseId, jobId, code: 'DATA_SET_MISSING', message, permanent: true } });
    },
  });
  const job = await cluster.end(await cluster.submit());
  assert.deepEqual(job.error, { code: 'DATA_SET_MISSING', message: 'task.ways: got 5000; accepted: at most 964' });
});

/** Reports task 14 (offset 1 of its shard) as not finite and leaves it out of the sum. */
const nonFiniteAtTask14 = (lease: JobLease, worker: NullWorker) => {
  if (lease.train?.firstTask !== 13) return worker.answer(lease);
  const { leaseId, jobId } = lease;
  const payloadSha256 = worker.sendPayload(gradientSum(worker.paramsOf(lease), 13, 1));
  const train = { payloadSha256, weight: 2, measures: rowMessages([1, Number.NaN, 1]), nonFiniteTasks: [1] };
  worker.send({ shardResult: { leaseId, jobId, train } });
};

test('a task without a finite meta-gradient fails the job, or is skipped and counted where the spec says so', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('w1', { onLease: nonFiniteAtTask14 });
  const failed = await cluster.end(await cluster.submit());
  assert.equal(failed.error?.code, 'RESULT_NOT_FINITE');
  assert.match(failed.error.message, /training task 14 is not finite, in shard 1 of meta-step 1/);
  const skipped = await cluster.end(await cluster.submit(specText({ meta: { onNonFinite: 'skip' } })));
  assert.equal(skipped.state, 'JOB_STATE_SUCCEEDED');
  assert.equal(skipped.skippedTasks, 1);
  assert.deepEqual(skipped.skippedShards, [{ metaStep: 1, shard: 1, count: 1, tasks: [14] }]);
  const { payloadSha256 } = await call(cluster.jobs, 'GetShard', { jobId: skipped.jobId, metaStep: 1, shard: 1 });
  assert.match(payloadSha256, /^[0-9a-f]{64}$/);
  const unknown = await rejection(call(cluster.jobs, 'GetShard', { jobId: skipped.jobId, metaStep: 999, shard: 0 }));
  assert.deepEqual(unknown.metadata.get('metatrain-code'), ['SHARD_UNKNOWN']);
});

test('a meta-step that would make the parameters infinite fails the job, whose last parameters stay finite', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('w1');
  const meta = { optimizer: { name: 'sgd', learningRate: 1e38 }, onNonFinite: 'skip' };
  const job = await cluster.end(await cluster.submit(specText({ meta })));
  assert.equal(job.error?.code, 'RESULT_NOT_FINITE');
  assert.match(job.error.message, /would make the meta-parameters infinite or NaN .*learning rate 1e\+38/);
});

test('a worker of another protocol version is refused with both versions', async (t) => {
  const cluster = await TestCluster.start(t);
  const worker = await cluster.worker('old', { protocolVersion: 7 });
  const { code, details, metadata } = await worker.ended;
  assert.equal(code, status.FAILED_PRECONDITION);
  assert.equal(codeOf(metadata), 'PROTOCOL_MISMATCH');
  assert.match(details, /worker speaks protocol version 7, the coordinator speaks 1/);
});

test('a bad hello is refused with the field, what it was and what is accepted', async (t) => {
  const cluster = await TestCluster.start(t);
  for (const [options, expected] of [
    [{ slots: 100_000 }, /hello\.slots: got 100000; accepted: 1 to 1024/],
    [{ fingerprint: '' }, /hello\.engineFingerprint: got 0 characters; accepted: 1 to 400/],
    [{ workerId: 'x'.repeat(200) }, /hello\.workerId: got 200 characters; accepted: 1 to 128/],
  ] as const) {
    const { code, details } = await (await cluster.worker('bad', options)).ended;
    assert.equal(code, status.INVALID_ARGUMENT);
    assert.match(details, expected);
  }
});

test('an unknown progress of a shard ends the stream, with the accepted values', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.submit();
  const worker = await cluster.worker('w1', {
    onLease: ({ leaseId }, speaker) => speaker.send({ shardProgress: { leaseId, phase: 'dreaming' } }),
  });
  const { code, details } = await worker.ended;
  assert.equal(code, status.INVALID_ARGUMENT);
  assert.match(details, /shard_progress\.phase: got "dreaming"; accepted: starting or computing/);
});

test('a second stream of a worker fences the first one', async (t) => {
  const cluster = await TestCluster.start(t);
  const first = await cluster.worker('same');
  await cluster.worker('same');
  const { code, metadata } = await first.ended;
  assert.equal(code, status.FAILED_PRECONDITION);
  assert.equal(codeOf(metadata), 'WORKER_FENCED');
  assert.equal((await cluster.end(await cluster.submit())).state, 'JOB_STATE_SUCCEEDED');
});

test('a job keeps to the engine fingerprint that it began with, and ListWorkers says why the others idle', async (t) => {
  const cluster = await TestCluster.start(t);
  const first = await cluster.worker('first', { fingerprint: 'engine/a' });
  const jobId = await cluster.submit(specText({ iterations: 100_000 }));
  await cluster.watch(jobId, ({ metaStep }) => !!metaStep);
  const other = await cluster.worker('other', { fingerprint: 'engine/b' });
  await first.kill();
  await cluster.watch(jobId, ({ shardRetried }) => !!shardRetried);
  const { workers } = await call(cluster.cluster, 'ListWorkers', {});
  assert.equal(workers.length, 1);
  assert.equal(workers[0]!.state, 'WORKER_STATE_IDLE');
  assert.match(workers[0]!.idleReason, new RegExp(`job ${jobId} keeps to the engine fingerprint engine/a`));
  assert.equal(other.leases.length, 0);
  assert.equal((await cluster.job(jobId)).engineFingerprint, 'engine/a');
});

test('a mixed job accepts every fingerprint, and its record says so', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('first', { fingerprint: 'engine/a' });
  await cluster.worker('other', { fingerprint: 'engine/b' });
  const job = await cluster.end(await cluster.submit(specText({ placement: { mixed: true } })));
  assert.equal(job.mixedFingerprints, true);
  const plain = await cluster.end(await cluster.submit());
  assert.equal(plain.mixedFingerprints, false);
});

test('a draining worker finishes its shards, gets no more and may leave', async (t) => {
  const cluster = await TestCluster.start(t);
  const jobId = await cluster.submit(specText({ iterations: 100_000 }));
  const drains = new Mailbox<JobLease>();
  const leaving = await cluster.worker('leaving', {
    onLease(lease, worker) {
      if (lease.train?.metaStep !== 2) return worker.answer(lease);
      worker.send({ drain: { reason: 'spot notice', graceMs: 1_000 } });
      worker.answer(lease);
      drains.put(lease);
    },
  });
  const held = await drains.take('the lease with which the worker drains');
  const staying = await cluster.worker('staying');
  await cluster.watch(jobId, ({ metaStep }) => (metaStep?.step ?? 0) > 3);
  assert.equal(leaving.leases.at(-1), held);
  assert.ok(staying.leases.length > 0);
  await leaving.close();
  assert.equal((await leaving.ended).code, status.OK);
});
