// Differential privacy, from the worker's clipping to θ: contributions against a clip by hand,
// noise and samples against their distributions, and the bytes against the secret that they follow
// from.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { metaBatch } from '../../../../coordinator/core/meta-steps.ts';
import { planOf } from '../../../../coordinator/jobs/job-plan.ts';
import { openSecretKey } from '../../../../coordinator/store/secret-key.ts';
import { readJob } from '../../../../learning/job-file.ts';
import { SecretDraws } from '../../../../learning/outer-loop/secret-draws.ts';
import { type OuterLoop, Training } from '../../../../learning/outer-loop/training.ts';
import { builtIn } from '../../../../learning/registry.ts';
import { MetatrainError } from '../../../../shared/errors.ts';
import { poissonSample, secretRng } from '../../../../shared/secret-rng.ts';
import { createEngine } from '../../../../worker/engine/create.ts';
import type { Engine } from '../../../../worker/engine/engine.ts';
import { openJobProgram } from '../../../../worker/learning/open.ts';
import { sinusoidSpec } from '../../../support/job-specs.ts';
import { lossHeads, rowsOf } from '../../../support/measures.ts';

const privacy = { taskClipNorm: 0.5, noiseMultiplier: 2, delta: 1e-5 };
const key = (name: string) => Buffer.alloc(32, name);
const streamsOf = (name: string) => (purpose: string, metaStep: number) => secretRng(key(name), purpose, metaStep);

let engine: Engine;
before(async () => {
  engine = await createEngine({ engine: 'compiled', device: 'cpu' });
});
after(() => engine.close());

const algorithms = {
  maml: { name: 'maml', innerSteps: 1, innerLearningRate: 0.01 },
  // A procedure: its tasks are computed one by one.
  imaml: { name: 'imaml', innerSteps: 2, innerLearningRate: 0.01 },
};

for (const [name, algorithm] of Object.entries(algorithms)) {
  test(`a private shard of ${name} is the sum of its tasks, each clipped`, async () => {
    const open = (taskPrivacy: object | undefined) => {
      const meta = { iterations: 10, batchSize: 3, privacy: taskPrivacy };
      const text = sinusoidSpec('private', { algorithm, meta, placement: { shardSize: 3 } });
      return openJobProgram(readJob(text).spec, { registry: builtIn, dataDirectories: [], engine });
    };
    const [free, clipped] = [await open(undefined), await open({ ...privacy, pool: 60 })];
    try {
      const { metaParams } = free.initialize();
      const numbers = [4, 9, 30];
      let expected = new Float64Array(metaParams.length);
      let shortened = 0;
      for (const task of numbers) {
        const { metaGradientSum } = await free.train(metaParams, { metaStep: 0, firstTask: task, taskCount: 1 });
        const norm = Math.sqrt(metaGradientSum.reduce((sum, value) => sum + value * value, 0));
        if (norm > privacy.taskClipNorm) shortened += 1;
        const factor = Math.min(1, privacy.taskClipNorm / norm);
        expected = expected.map((value, i) => value + metaGradientSum[i]! * factor);
      }
      assert.ok(shortened > 0, 'something is clipped');
      const shard = { metaStep: 0, firstTask: 0 };
      const whole = await clipped.train(metaParams, { ...shard, taskCount: 3, tasks: numbers });
      const largest = Math.max(...expected.map(Math.abs));
      // float32, and the margin that the clip leaves.
      for (const [i, value] of whole.metaGradientSum.entries())
        assert.ok(Math.abs(value - expected[i]!) < 2e-3 * largest);
      assert.equal(whole.weight, 3);
      // A smaller shard of the sample: the tasks one by one.
      const rest = await clipped.train(metaParams, { ...shard, taskCount: 2, tasks: numbers.slice(0, 2) });
      assert.equal(rest.measures[0]!.values.length, 2);
      const last = await clipped.train(metaParams, { ...shard, taskCount: 1, tasks: numbers.slice(2) });
      for (const [i, value] of whole.metaGradientSum.entries()) {
        assert.ok(Math.abs(value - rest.metaGradientSum[i]! - last.metaGradientSum[i]!) < 1e-4 * largest);
      }
    } finally {
      await free.close();
      await clipped.close();
    }
  });
}

const elements = 4_000;
const layout = { tensors: [{ name: 'w', shape: [elements] }] };
const jobWith = (pool?: number, iterations = 6) => {
  const meta = { iterations, batchSize: 8, optimizer: { name: 'sgd', learningRate: 1 }, privacy: { ...privacy, pool } };
  return readJob(sinusoidSpec('private', { meta }));
};

/**
 * θ after the meta-steps, every task's contribution being `value`; the job may be restored from its
 * state on the way.
 */
function trained(secret: string, { steps = 1, value = 0.001, restoreAt = -1 } = {}): Training {
  const resolved = jobWith();
  const job: OuterLoop = {
    ...resolved,
    parameters: [{ name: 'w', shape: [elements], initialize: () => 0 }],
    draws: new SecretDraws(resolved.spec.meta, streamsOf(secret)),
  };
  let training = Training.begin(job, layout, new Float32Array(elements));
  for (let step = 0; step < steps; step += 1) {
    for (let shard = 0; shard < 4; shard += 1) {
      training.keepTrainResult(shard, 4, {
        metaGradientSum: new Float32Array(elements).fill(2 * value),
        taskCount: 2,
        weight: 2,
        measures: rowsOf([1, 1]),
        nonFiniteTasks: [],
      });
    }
    training.applyMetaStep(steps, lossHeads);
    if (step === restoreAt) training = Training.restore(job, structuredClone(training.snapshot()));
  }
  return training;
}

test('the step is the mean over the meta-batch, with noise of deviation noiseMultiplier · taskClipNorm / batchSize', () => {
  const { vector } = trained('one').metaParams;
  const mean = vector.reduce((sum, value) => sum + value, 0) / elements;
  const variance = vector.reduce((sum, value) => sum + (value - mean) ** 2, 0) / elements;
  const deviation = (2 * 0.5) / 8;
  // 5 standard deviations of the estimates over 4,000 numbers.
  assert.ok(Math.abs(mean + 0.001) < (5 * deviation) / Math.sqrt(elements), `${mean}`);
  assert.ok(Math.abs(Math.sqrt(variance) / deviation - 1) < 5 / Math.sqrt(2 * elements), `${variance}`);
});

test('equal job file and seed with another secret give other bytes; with the same secret equal ones, also after a restart', () => {
  const hash = (training: Training) => training.metaParams.sha256.toString('hex');
  const first = hash(trained('one', { steps: 3 }));
  assert.notEqual(first, hash(trained('two', { steps: 3 })));
  assert.equal(first, hash(trained('one', { steps: 3 })));
  assert.equal(first, hash(trained('one', { steps: 3, restoreAt: 1 })));
});

test('a job with noise is not trained without its secret', () => {
  assert.throws(() => Training.begin(jobWith(), layout, new Float32Array(elements)), /needs its secret draws/);
});

test('a sample holds each task with probability batchSize / pool, and is the same for every shard', () => {
  const sizes: number[] = [];
  const hits = new Float64Array(100);
  for (let step = 0; step < 2_000; step += 1) {
    const sample = poissonSample(secretRng(key('sample'), 'sample', step), 100, 0.08);
    sizes.push(sample.length);
    for (const task of sample) hits[task] = hits[task]! + 1;
    assert.deepEqual(
      sample,
      [...new Set(sample)].sort((a, b) => a - b),
    );
  }
  const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  const variance = sizes.reduce((sum, size) => sum + (size - mean) ** 2, 0) / sizes.length;
  // Binomial(100, 0.08): mean 8, variance 7.36. 5 standard deviations of the estimates.
  assert.ok(Math.abs(mean - 8) < (5 * 2.72) / Math.sqrt(2_000), `${mean}`);
  assert.ok(Math.abs(variance / 7.36 - 1) < 5 * Math.sqrt(2 / 2_000), `${variance}`);
  for (const count of hits) assert.ok(Math.abs(count - 160) < 5 * 12.2, `${count}`);
  assert.deepEqual(poissonSample(secretRng(key('sample'), 'sample', 0), 5, 1), [0, 1, 2, 3, 4]);
});

test("a meta-batch is its sample's size, and an empty sample is one task that does not count", () => {
  const job = jobWith(4_000, 400);
  const draws = new SecretDraws(job.spec.meta, streamsOf('plan'));
  const plan = planOf('j', job, draws);
  for (let step = 0; step < 50; step += 1) {
    const { shards } = metaBatch(plan, step);
    assert.equal(
      shards.reduce((sum, { taskCount }) => sum + taskCount, 0),
      Math.max(1, draws.sample(step)!.length),
    );
    assert.equal(shards[0]!.firstTask, 0);
  }
  const seldom = { ...job.spec.meta, batchSize: 1, privacy: { ...privacy, pool: 1_000_000 } };
  const few = new SecretDraws(seldom, streamsOf('few'));
  const empty = Array.from({ length: 50 }, (_, step) => step).find((step) => few.isEmpty(step))!;
  const sum = Float64Array.of(1e9);
  few.perturb(sum, [{ begin: 0, end: 1, update: 'gradient', group: undefined }], empty);
  assert.ok(Math.abs(sum[0]!) < 10, 'noise alone');
});

test('the secret is made once, on the disk, and for its owner alone', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-secret-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const made = openSecretKey(directory);
  assert.equal(made.byteLength, 32);
  assert.deepEqual(openSecretKey(directory), made);
  assert.deepEqual(readdirSync(directory), ['secret.key']);
  if (process.platform !== 'win32') assert.equal(statSync(join(directory, 'secret.key')).mode & 0o777, 0o600);
  writeFileSync(join(directory, 'secret.key'), 'too short');
  assert.throws(
    () => openSecretKey(directory),
    (error) => error instanceof MetatrainError && error.code === 'DATA_CORRUPT',
  );
});
