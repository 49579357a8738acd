import assert from 'node:assert/strict';
import test from 'node:test';
import { staleWeightOf } from '../../../../coordinator/jobs/live-job.ts';
import { readJob } from '../../../../learning/job-file.ts';
import { Training } from '../../../../learning/outer-loop/training.ts';
import { CoreDriver } from '../../../support/core-driver.ts';
import { sinusoidSpec } from '../../../support/job-specs.ts';
import { lossHeads, rowsOf } from '../../../support/measures.ts';

const jobOf = (algorithm: object) => readJob(sinusoidSpec('job', { algorithm }));

test('in sync mode no meta-step begins early: a worker idles while the last shard of the one before is computed', () => {
  const core = new CoreDriver();
  core.connect('w1');
  core.submit('job', { batchSize: 1 });
  core.answerAll('w1');
  core.connect('w2');
  assert.equal(core.held('w1').length, 1);
  assert.equal(core.held('w2').length, 0);
});

test('in async mode idle slots begin the next meta-batches, as many as staleness allows, and they are applied in order', () => {
  const core = new CoreDriver({ duplicateFloorMs: 1_000_000 });
  core.connect('w1');
  core.submit('job', { batchSize: 1, maxStaleness: 2, iterations: 6 });
  core.answerAll('w1');
  for (const name of ['w2', 'w3', 'w4']) core.connect(name);
  const steps = () => ['w1', 'w2', 'w3', 'w4'].map((name) => core.held(name)[0]?.batch.step);
  assert.deepEqual(steps(), [0, 1, 2, undefined], 'no further than two before their turn');
  core.answerAll('w3');
  core.answerAll('w2');
  assert.equal(core.state.jobs.get('job')?.step, 0, 'they wait for the first');
  core.answerAll('w1');
  assert.equal(core.state.jobs.get('job')?.step, 3, 'then all are applied');
  const held = ['w1', 'w2', 'w3', 'w4'].flatMap((name) => core.held(name));
  assert.deepEqual(held.map(({ batch, paramsVersion }) => [batch.step, paramsVersion]).sort(), [
    [3, 3],
    [4, 3],
    [5, 3],
  ]);
});

test('a job that is cancelled in async mode takes back the leases of every batch that it has begun', () => {
  const core = new CoreDriver();
  core.connect('w1');
  core.submit('job', { batchSize: 1, maxStaleness: 2 });
  core.answerAll('w1');
  core.connect('w2');
  core.send({ kind: 'jobCancelRequested', jobId: 'job' });
  assert.equal(core.state.leases.size, 0);
  assert.equal(core.effects.filter(({ kind }) => kind === 'cancelLease').length, 2);
});

test('a stale meta-gradient of MAML weighs 1/(1 + τ), a way of Reptile weighs 1, and fresh ones are exactly as they are', () => {
  assert.deepEqual(
    [0, 1, 3].map((staleness) => staleWeightOf(jobOf({ name: 'maml' }), staleness)),
    [1, 1 / 2, 1 / 4],
  );
  assert.deepEqual(
    [0, 1, 3].map((staleness) => staleWeightOf(jobOf({ name: 'reptile' }), staleness)),
    [1, 1, 1],
  );
});

test('the weight scales the shard in the mean meta-gradient: SGD by hand', () => {
  const job = readJob(
    JSON.stringify({
      name: 'by-hand',
      task: { distribution: 'sinusoid' },
      model: { architecture: 'mlp' },
      algorithm: { name: 'maml' },
      meta: { iterations: 2, batchSize: 4, optimizer: { name: 'sgd', learningRate: 0.5 }, update: { mode: 'async' } },
    }),
  );
  assert.deepEqual(job.spec.meta.update, { mode: 'async', maxStaleness: 2 });
  const training = Training.begin(job, { tensors: [{ name: 'w', shape: [1] }] }, Float32Array.of(10));
  const shard = (sum: number) => ({
    metaGradientSum: Float32Array.of(sum),
    taskCount: 2,
    weight: 2,
    measures: rowsOf([1, 1]),
    nonFiniteTasks: [],
  });
  // The second meta-step's first shard comes before the first meta-step is applied, and is one version stale.
  training.keepTrainResult(0, 2, shard(4));
  training.keepTrainResult(0, 2, shard(8), { metaStep: 1, weight: 0.5 });
  training.keepTrainResult(1, 2, shard(8));
  training.applyMetaStep(2, lossHeads);
  // (4 + 8) / 4 tasks = 3; 10 − 0.5 · 3.
  assert.equal(training.metaParams.vector[0], 8.5);
  training.keepTrainResult(1, 2, shard(8));
  training.applyMetaStep(2, lossHeads);
  // (0.5 · 8 + 8) / 4 = 3.
  assert.equal(training.metaParams.vector[0], 7);
});
