// Requests end to end: adapting and predicting through the coordinator's in-process API, on real workers with
// real engines, and beside workers that answer wrongly, die, or never answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLearner } from '../../../coordinator/requests/request.ts';
import { readJob } from '../../../learning/job-file.ts';
import { builtIn } from '../../../learning/registry.ts';
import type { ShardResult } from '../../../shared/gen/metatrain/v1/ShardResult.ts';
import { taskRng } from '../../../shared/rng.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import { initialParams } from '../../../worker/learning/arrays.ts';
import { openLearner } from '../../../worker/learning/learner.ts';
import { Mailbox } from '../../support/mailbox.ts';
import { specText, TestCluster } from './cluster.ts';
import type { JobLease, NullWorker } from './null-worker.ts';
import { realWorker } from './real-worker.ts';

const job = readJob(specText({ iterations: 6 }), builtIn);
const learner = createLearner(job, initialParams(job.parameters, taskRng(1, 'initialize', 0)));
const support = {
  supportInputs: Float32Array.of(-2, -1, 1, 2),
  supportTargets: Float32Array.of(-0.9, -0.8, 0.8, 0.9),
};
const inputs = Float32Array.of(-1.5, 0, 1.5);

/** What one engine in this process computes. */
async function expected() {
  const engine = await createEngine({ engine: 'compiled', device: 'cpu' });
  const program = openLearner(job.spec, { registry: builtIn, engine });
  const adapted = await program.adapt(learner.metaParams, { support, point: 2 });
  const { outputs } = await program.predict(learner.metaParams, { adapted, inputs });
  await program.close();
  await engine.close();
  return { state: adapted.state, outputs };
}

/** A worker that answers requests as `answer` says, and computes no shard. */
const answering = (answer: (lease: JobLease, worker: NullWorker) => ShardResult | undefined) => ({
  onLease(lease: JobLease, worker: NullWorker) {
    const { leaseId, requestId } = lease;
    const result = answer(lease, worker);
    if (result && requestId !== undefined) worker.send({ shardResult: { leaseId, requestId, ...result } });
  },
});

test('a state adapted on a worker and predictions from it are what the engine computes, while a job trains to its bytes', async (t) => {
  const cluster = await TestCluster.start(t);
  await realWorker(t, cluster);
  const spec = specText({ iterations: 6 });
  const alone = await cluster.end(await cluster.submit(spec));
  const jobId = await cluster.submit(spec);
  const adapted = await cluster.requests.adapt(learner, support);
  const { shape, outputs } = await cluster.requests.predict(learner, adapted, inputs);
  const wanted = await expected();
  assert.deepEqual(adapted.state, wanted.state);
  assert.deepEqual([shape, outputs], [[3, 1], wanted.outputs]);
  const beside = await cluster.end(jobId);
  assert.equal(beside.state, 'JOB_STATE_SUCCEEDED');
  assert.equal(beside.paramsSha256, alone.paramsSha256);
  const start = await cluster.requests.adapt(learner, support, { point: 0 });
  assert.deepEqual(start.state, learner.metaParams);
});

test('many requests of many learners are each answered with their own', async (t) => {
  const cluster = await TestCluster.start(t);
  await realWorker(t, cluster);
  // More than a worker keeps open at once.
  const learners = Array.from({ length: 12 }, (_, i) =>
    createLearner(
      job,
      learner.metaParams.map((value) => value + i / 10),
    ),
  );
  const states = await Promise.all(learners.map((one) => cluster.requests.adapt(one, support, { point: 0 })));
  for (const [i, { state }] of states.entries()) assert.deepEqual(state, learners[i]!.metaParams);
});

const wrongAnswers: Readonly<Record<string, (worker: NullWorker) => ShardResult>> = {
  'a state with a NaN'(worker) {
    const payloadSha256 = worker.sendPayload(Float32Array.of(1, Number.NaN));
    return { adapt: { state: { layout: { tensors: [{ name: 'w', shape: [2] }] }, payloadSha256 } } };
  },
  'a state of another length than its layout'(worker) {
    const payloadSha256 = worker.sendPayload(Float32Array.of(1, 2));
    return { adapt: { state: { layout: { tensors: [{ name: 'w', shape: [3] }] }, payloadSha256 } } };
  },
  'a payload that never came': () => ({
    adapt: { state: { layout: { tensors: [{ name: 'w', shape: [1] }] }, payloadSha256: Buffer.alloc(32, 1) } },
  }),
  'the answer to another kind of request'(worker) {
    return { predict: { payloadSha256: worker.sendPayload(Float32Array.of(1, 2, 3)), shape: [3, 1] } };
  },
};

for (const [name, wrongly] of Object.entries(wrongAnswers)) {
  test(`${name} is rejected, and another worker answers`, async (t) => {
    const cluster = await TestCluster.start(t);
    const rejected = new Mailbox<string>();
    await cluster.worker('wrong', {
      ...answering((_lease, worker) => wrongly(worker)),
      onCancelled: (_leaseId, reason) => rejected.put(reason),
    });
    const answer = cluster.requests.adapt(learner, support, { point: 0 });
    assert.match(await rejected.take('why the answer is rejected'), /NaN|accepted:/);
    await realWorker(t, cluster);
    assert.deepEqual((await answer).state, learner.metaParams);
  });
}

test('a worker that dies with a request loses it to another at once', async (t) => {
  const cluster = await TestCluster.start(t);
  const leased = new Mailbox<JobLease>();
  const dying = await cluster.worker('dying', { onLease: (lease) => leased.put(lease) });
  const answer = cluster.requests.adapt(learner, support, { point: 0 });
  assert.equal((await leased.take('the lease of the request')).adapt?.point, 0);
  await realWorker(t, cluster);
  await dying.kill();
  assert.deepEqual((await answer).state, learner.metaParams);
});

test('a worker that is alone and fails at a request gets its learner again with the next attempt', async (t) => {
  const cluster = await TestCluster.start(t);
  let attempts = 0;
  const alone = await cluster.worker('alone', {
    onLease({ leaseId, requestId = '' }, worker) {
      attempts += 1;
      if (attempts === 1) {
        const failure = { code: 'META_STEP_STALE', message: 'θ could not be taken' };
        worker.send({ shardFailure: { leaseId, requestId, ...failure } });
        return;
      }
      const layout = { tensors: [{ name: 'w', shape: [2] }] };
      const payloadSha256 = worker.sendPayload(Float32Array.of(5, 6));
      worker.send({ shardResult: { leaseId, requestId, adapt: { state: { layout, payloadSha256 } } } });
    },
  });
  const opened = () => alone.messages.filter(({ learnerOpened }) => learnerOpened).length;
  assert.deepEqual((await cluster.requests.adapt(learner, support)).state, Float32Array.of(5, 6));
  assert.deepEqual([attempts, opened()], [2, 2]);
  await cluster.requests.adapt(learner, support);
  assert.deepEqual([attempts, opened()], [3, 2], 'otherwise it is sent once');
});

test('a request whose signal is aborted fails with its reason, and its worker is told to drop it', async (t) => {
  const cluster = await TestCluster.start(t);
  const leased = new Mailbox<JobLease>();
  const dropped = new Mailbox<string>();
  await cluster.worker('slow', {
    onLease: (lease) => leased.put(lease),
    onCancelled: (leaseId) => dropped.put(leaseId),
  });
  const abort = new AbortController();
  const answer = cluster.requests.adapt(learner, support, { signal: abort.signal });
  const { leaseId } = await leased.take('the lease of the request');
  abort.abort(new Error('the client has gone'));
  await assert.rejects(answer, /the client has gone/);
  assert.equal(await dropped.take('the cancellation'), leaseId);
});

test('without a worker a request fails once its patience is over, and says why', async (t) => {
  const cluster = await TestCluster.start(t);
  await assert.rejects(cluster.requests.adapt(learner, support, { patienceMs: 300 }), {
    code: 'DEADLINE_EXCEEDED',
    message: /within 300 ms: no worker that offers compiled\/cpu is connected/,
  });
});

test('a coordinator that shuts down fails what is not answered', async (t) => {
  const cluster = await TestCluster.start(t);
  const answer = cluster.requests.adapt(learner, support);
  const refused = assert.rejects(answer, { code: 'SHUTTING_DOWN' });
  await cluster.stop();
  await refused;
});

test('what a request may not bring is refused before anything is queued', async (t) => {
  const cluster = await TestCluster.start(t);
  const { requests } = cluster;
  const { supportInputs } = support;
  await assert.rejects(
    requests.adapt(learner, { supportInputs }),
    /support: got supportInputs; accepted: supportInputs/,
  );
  await assert.rejects(requests.adapt(learner, support, { point: 3 }), /point: got 3; accepted: 0 to 2/);
  const notFinite = { ...support, supportTargets: Float32Array.of(1, 2, 3, Number.NaN) };
  await assert.rejects(requests.adapt(learner, notFinite), /support\.supportTargets: got a NaN/);
  const state = { layout: { tensors: [{ name: 'w', shape: [2] }] }, state: Float32Array.of(1) };
  await assert.rejects(requests.predict(learner, state, inputs), /state: got 1 numbers; accepted: 2/);
  assert.throws(() => createLearner(job, Float32Array.of(1)), /params: got 1 numbers; accepted: 17/);
});
