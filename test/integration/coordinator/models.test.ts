// Trained models in use, through the real service: a job trained on real workers, adapted to
// support sets in every form, predicted with, listed, dropped and expired; bad requests refused
// before a worker hears of them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MetatrainClient } from '../../../client/metatrain-client.ts';
import { readJob } from '../../../learning/job-file.ts';
import { builtIn } from '../../../learning/registry.ts';
import { type Clock, realClock } from '../../../shared/clock.ts';
import type { MetatrainError } from '../../../shared/errors.ts';
import { packageRoot } from '../../../shared/wire.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import { openLearner } from '../../../worker/learning/learner.ts';
import { drawingOf, smallFixture } from '../../unit/learning/omniglot-fixture.ts';
import { SecuredCluster, type TestToken, token } from '../security/secured-cluster.ts';
import { specText, TestCluster } from './cluster.ts';
import { realWorker } from './real-worker.ts';

const linear = readFileSync(join(packageRoot, 'examples/linear.yaml'), 'utf8');
/** (1, 2), (2, 4), (3, 6) */
const doubles = { inputs: { numbers: [1, 2, 3] }, targets: [2, 4, 6] };

async function trained(t: TestContext, spec: string, dataDirectory?: string) {
  const cluster = await TestCluster.start(t, { http: { host: '127.0.0.1', port: 0 } });
  await realWorker(t, cluster, dataDirectory === undefined ? {} : { dataDirectories: [dataDirectory] });
  const jobId = await cluster.submit(spec);
  const job = await cluster.end(jobId);
  assert.equal(job.state, 'JOB_STATE_SUCCEEDED', JSON.stringify(job.error));
  const client = new MetatrainClient({ address: cluster.address });
  t.after(() => client.close());
  return { cluster, client, jobId };
}

test('a model that was trained on lines through the origin maps 4 to 8 once it has seen 1 to 2, 2 to 4, 3 to 6', async (t) => {
  const { cluster, client, jobId } = await trained(t, linear);
  const [adapted] = await client.models.adapt(jobId, [doubles]);
  const { predictions, classes, step } = await client.models.predict(adapted!.adaptedId!, { numbers: [4, 0, -1.5] });
  assert.deepEqual([classes, step], [[], 3000]);
  for (const [at, wanted] of [8, 0, -3].entries()) {
    const [output] = predictions[at]!.outputs;
    assert.ok(Math.abs(output! - wanted) < 0.05, `${output} instead of ${wanted}`);
  }
  const atOnce = await client.models.predict({ jobId, support: doubles }, { numbers: [4, 0, -1.5] });
  assert.deepEqual(atOnce.predictions, predictions, 'in one call as in two');
  const before = await client.models.predict({ jobId, support: doubles }, { numbers: [4] }, { innerSteps: 0 });
  assert.ok(Math.abs(before.predictions[0]!.outputs[0]! - 8) > 1, 'without adaptation it does not know the slope');
  const answer = await fetch(`http://${cluster.http}/api/v1/models/predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      job_id: jobId,
      support: { numbers: [1, 2, 3], targets: [2, 4, 6] },
      queries: { numbers: [4, 0, -1.5] },
    }),
  });
  assert.deepEqual(
    ((await answer.json()) as typeof atOnce).predictions.map(({ outputs }) => outputs),
    predictions.map(({ outputs }) => outputs),
  );
});

/** Two classes of drawings. */
const drawings = JSON.stringify({
  name: 'drawings',
  task: { distribution: 'omniglot', dataSet: 'small', ways: 2, shots: 1, queries: 2, rotations: false },
  model: { architecture: 'conv4', filters: 4 },
  algorithm: { name: 'maml', innerSteps: 1, innerLearningRate: 0.1 },
  meta: { iterations: 2, batchSize: 2, optimizer: { name: 'adam', learningRate: 0.01 } },
  evaluation: { tasks: 2, every: 0 },
});

test('images are adapted to and named by their classes, and numbers in their place give the same', async (t) => {
  const fixture = smallFixture();
  t.after(() => fixture.remove());
  const { client, jobId } = await trained(t, drawings, fixture.directory);
  const support = { inputs: { images: [drawingOf(1100), drawingOf(1200)] }, labels: ['left', 'right'] };
  const queries = { images: [drawingOf(1101), drawingOf(1100), drawingOf(1201)] };
  const { predictions, classes } = await client.models.predict({ jobId, support }, queries);
  assert.deepEqual(classes, ['left', 'right']);
  for (const { outputs, className, probabilities } of predictions) {
    assert.equal(className, outputs[0]! >= outputs[1]! ? 'left' : 'right');
    assert.ok(Math.abs(probabilities[0]! + probabilities[1]! - 1) < 1e-6);
    assert.ok(Math.abs(Math.log(probabilities[0]! / probabilities[1]!) - (outputs[0]! - outputs[1]!)) < 1e-4);
  }
  const engine = await createEngine({ engine: 'compiled', device: 'cpu' });
  const learner = openLearner(readJob(drawings, builtIn).spec, { registry: builtIn, engine });
  const numbersOf = async ({ images }: { readonly images: readonly Uint8Array[] }) => ({
    numbers: (await learner.encode({ form: 'image', items: images })).values,
  });
  const asNumbers = { inputs: await numbersOf(support.inputs), labels: support.labels };
  const other = await client.models.predict({ jobId, support: asNumbers }, await numbersOf(queries));
  assert.deepEqual(other.predictions, predictions);
  await learner.close();
  await engine.close();
});

test('bad requests say what was expected, and no worker hears of them', async (t) => {
  const cluster = await TestCluster.start(t, { http: { host: '127.0.0.1', port: 0 } });
  const heard: string[] = [];
  await cluster.worker('listening', {
    onLease: (lease, worker) => {
      if (lease.requestId !== undefined) heard.push(lease.requestId);
      else worker.answer(lease);
    },
  });
  const client = new MetatrainClient({ address: cluster.address });
  t.after(() => client.close());
  const lines = await cluster.submit(specText({ iterations: 2 }));
  await cluster.end(lines);
  const good = { inputs: { numbers: [1, 2] }, targets: [1, 2] };
  const refused = async (answer: Promise<unknown>, code: string, message: RegExp) => {
    await assert.rejects(answer, (error: MetatrainError) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    });
  };
  const { models } = client;
  await refused(models.adapt('no-such-job', [good]), 'JOB_UNKNOWN', /no-such-job/);
  await refused(
    models.adapt(lines, [good], { step: 1 }),
    'CHECKPOINT_UNKNOWN',
    /no checkpoint of meta-step 1; kept: 2/,
  );
  await refused(models.adapt(lines, []), 'REQUEST_INVALID', /support: got 0 support sets; accepted: 1 to 64/);
  await refused(
    models.adapt(lines, [{ ...good, targets: [1] }]),
    'REQUEST_INVALID',
    /support\.targets: got 1 numbers; accepted: 2, 1 for each of 2 inputs/,
  );
  await refused(
    models.adapt(lines, [{ ...good, labels: ['a'] }]),
    'REQUEST_INVALID',
    /support\.labels: got 1 labels; accepted: none: this job predicts values/,
  );
  await refused(
    models.adapt(lines, [good, { ...good, inputs: { numbers: [1, Number.NaN] } }]),
    'REQUEST_INVALID',
    /support\[1\]\.inputs: got a NaN/,
  );
  await refused(
    models.adapt(lines, [{ ...good, inputs: { texts: ['one', 'two'] } }]),
    'REQUEST_INVALID',
    /support\.inputs: got texts; accepted: numbers/,
  );
  await refused(
    models.adapt(lines, [good], { innerSteps: 9 }),
    'REQUEST_INVALID',
    /inner_steps: got 9; accepted: 0 to 2/,
  );
  await refused(
    models.adapt(lines, [good], { keepSeconds: 100_000 }),
    'REQUEST_INVALID',
    /keep_seconds: got 100000; accepted: at most 86400/,
  );
  await refused(
    models.predict({ jobId: lines, support: good }, { numbers: [] }),
    'REQUEST_INVALID',
    /queries: got 0 numbers; accepted: 1 for each input, at least one/,
  );
  await refused(models.predict('adapted-0', { numbers: [1] }), 'ADAPTED_UNKNOWN', /there is none of this id/);
  await refused(models.drop('adapted-0'), 'ADAPTED_UNKNOWN', /there is none of this id/);
  const both = await fetch(`http://${cluster.http}/api/v1/models/predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ adapted_id: 'adapted-0', job_id: lines, queries: { numbers: [1] } }),
  });
  assert.match(await both.text(), /got adapted_id, job_id; accepted: adapted_id, or job_id and support/);
  const waiting = await cluster.submit(specText({ name: 'waits', placement: { device: 'cuda' } }));
  await refused(models.adapt(waiting, [good]), 'CHECKPOINT_UNKNOWN', /has no checkpoint yet/);

  const ask = async (body: string) => {
    const answer = await fetch(`http://${cluster.http}/api/v1/models/adapt`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    return [answer.status, ((await answer.json()) as { error: { message: string } }).error.message] as const;
  };
  assert.deepEqual(await ask('{'), [
    400,
    '(body): got no JSON; accepted: an object such as {"job_id": …, "support": …}',
  ]);
  const [status, message] = await ask(
    JSON.stringify({ job_id: lines, support: [{ numbers: [1], texts: ['a'], targets: [1] }] }),
  );
  assert.deepEqual([status, message], [400, 'support[0]: got 2 of numbers, images and texts; accepted: one of them']);
  assert.deepEqual(heard, []);
});

test('classes must be as many as the model’s head has, each with an example', async (t) => {
  const fixture = smallFixture();
  t.after(() => fixture.remove());
  const { client, jobId } = await trained(t, drawings, fixture.directory);
  const of = (...labels: string[]) =>
    client.models.adapt(jobId, [{ inputs: { images: labels.map((_, at) => drawingOf(at)) }, labels }]);
  await assert.rejects(
    of('a', 'b', 'c'),
    /support\.labels: got 3 classes; accepted: 2, as the job's tasks have, each with an example/,
  );
  await assert.rejects(of('a', 'a'), /support\.labels: got 1 classes; accepted: 2/);
  await assert.rejects(of('a', ''), /support\.labels: got a name of 0 characters/);
  const bad = { inputs: { images: [drawingOf(1), Buffer.from('no image')] }, labels: ['a', 'b'] };
  await assert.rejects(client.models.adapt(jobId, [bad]), /support\.inputs\[1\]: got a file that cannot be read/);
});

test('adapted models are kept for a while, listed, read and dropped; each is its owner’s', async (t) => {
  const alice = token('alice', ['submit', 'read', 'predict']);
  const bob = token('bob', ['predict']);
  const pool = token('pool', ['worker']);
  const reader = token('reader', ['read', 'submit']);
  const clock = new ShiftedClock();
  const cluster = await SecuredCluster.start(
    t,
    [alice, bob, pool, reader],
    { limits: { adaptedPerClient: 2 } },
    { clock },
  );
  await realWorker(t, cluster, { connection: cluster.connection(pool) });
  const clientOf = (of: TestToken) => {
    const client = new MetatrainClient({ address: cluster.address, connection: cluster.connection(of) });
    t.after(() => client.close());
    return client;
  };
  const [hers, his] = [clientOf(alice), clientOf(bob)];
  const { jobId } = await hers.submitJob(specText({ iterations: 2 }));
  for await (const _ of hers.watchJob(jobId));
  const support = { inputs: { numbers: [1, 2] }, targets: [1, 2] };
  const [kept] = await hers.models.adapt(jobId, [support], { keepSeconds: 60 });
  const adaptedId = kept!.adaptedId!;
  assert.equal(kept!.expiresAt!.getTime() - kept!.adaptedAt!.getTime(), 60_000);
  assert.deepEqual(
    (await hers.models.list()).map((model) => model.adaptedId),
    [adaptedId],
  );
  assert.deepEqual(await his.models.list(), []);
  await assert.rejects(his.models.predict(adaptedId, { numbers: [1] }), { code: 'ADAPTED_UNKNOWN' });
  await assert.rejects(clientOf(reader).models.list(), { code: 'FORBIDDEN' });
  const { state } = await hers.models.get(adaptedId);
  const [returned] = await his.models.adapt(jobId, [support], { returnState: true });
  assert.equal(returned!.adaptedId, undefined);
  assert.deepEqual(returned!.state, state, 'the same job and support give the same state');
  await hers.models.adapt(jobId, [support]);
  await assert.rejects(hers.models.adapt(jobId, [support]), /2 adapted models, of at most 2 for a client, are kept/);
  await hers.models.predict(adaptedId, { numbers: [1] });
  clock.shift(61_000);
  await assert.rejects(hers.models.predict(adaptedId, { numbers: [1] }), /it has expired, at 20/);
  const [rest] = await hers.models.list();
  await hers.models.drop(rest!.adaptedId!);
  await assert.rejects(hers.models.get(rest!.adaptedId!), /it was dropped/);
  assert.deepEqual(await hers.models.list(), []);
});

/** Real time, from some moment on so much later. */
class ShiftedClock implements Clock {
  #shiftMs = 0;
  shift(byMs: number): void {
    this.#shiftMs += byMs;
  }
  now = () => realClock.now() + this.#shiftMs;
  elapsedMs = () => realClock.elapsedMs() + this.#shiftMs;
  after = realClock.after;
  every = realClock.every;
}
