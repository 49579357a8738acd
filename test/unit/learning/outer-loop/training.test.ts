// The numbers of a job: evaluations summed up, learning rates, and meta-steps that never let anything in that is not finite.
import assert from 'node:assert/strict';
import test from 'node:test';
import { readJob } from '../../../../learning/job-file.ts';
import { summariseMeasures, summariseRows } from '../../../../learning/outer-loop/evaluation-summary.ts';
import { isFiniteVector, MetaGradientSum } from '../../../../learning/outer-loop/meta-gradient.ts';
import { type OuterLoop, Training, type TrainShardSum } from '../../../../learning/outer-loop/training.ts';
import { integerPower, scheduleFactor } from '../../../../shared/learning-rate.ts';
import type { MeasureHead } from '../../../../shared/measures.ts';
import { taskRng } from '../../../../shared/rng.ts';
import { hashOfVector, sha256 } from '../../../../shared/tensor-codec.ts';
import { sinusoidSpec } from '../../../support/job-specs.ts';
import { accuracyHeads, evaluateHeads, lossHeads, rowsOf, trainValues } from '../../../support/measures.ts';

test('an evaluation is the mean of its tasks ± 1.96·σ/√tasks, for each number of inner steps', () => {
  // Two tasks in one shard, one in the next; two columns.
  const [before, after] = summariseRows(
    [
      [1, 10, 2, 20],
      [6, 30],
    ],
    2,
  );
  assert.deepEqual([before?.mean, after?.mean], [3, 20]);
  // Population variances: ((−2)² + (−1)² + 3²)/3 = 14/3 and (10² + 0 + 10²)/3 = 200/3.
  assert.ok(Math.abs(before!.halfWidth95 - (1.96 * Math.sqrt(14 / 3)) / Math.sqrt(3)) < 1e-15);
  assert.ok(Math.abs(after!.halfWidth95 - (1.96 * Math.sqrt(200 / 3)) / Math.sqrt(3)) < 1e-14);
});

test('how an evaluation was cut into shards does not change a bit of it', () => {
  const rng = taskRng(1, 'test', 0);
  const rows = Array.from({ length: 600 * 3 }, () => 10 ** rng.between(-3, 3));
  const cut = (tasks: number) =>
    Array.from({ length: Math.ceil(600 / tasks) }, (_, i) => rows.slice(3 * tasks * i, 3 * tasks * (i + 1)));
  const whole = summariseRows([rows], 3);
  for (const tasks of [1, 7, 100]) assert.deepEqual(summariseRows(cut(tasks), 3), whole);
});

test('a half-width of a large evaluation holds the true mean in 95 of 100 cases', () => {
  let held = 0;
  const evaluations = 1_000;
  for (let i = 0; i < evaluations; i += 1) {
    const rng = taskRng(2, 'test', i);
    const [estimate] = summariseRows([Array.from({ length: 200 }, () => 5 + rng.normal())], 1);
    if (Math.abs(estimate!.mean - 5) <= estimate!.halfWidth95) held += 1;
  }
  // Binomial(1000, 0.95): σ = 6.9; the seed is fixed, so this either holds for ever or never.
  assert.ok(Math.abs(held - 950) < 25, `${held} of 1000`);
});

test('a task that diverged at any point is counted, and left out of measures without a range', () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  const shards = [
    rowsOf([1, 2, 3, nan], [0.5, 0.5, 0, 1]),
    rowsOf([infinity, 4, 5, 6], [0.25, 0, 0.25, 1]),
    rowsOf([9, 10], [0.5, 1]),
  ];
  const { measures, divergedTasks, tasks } = summariseMeasures(shards, evaluateHeads(1));
  assert.deepEqual([divergedTasks, tasks], [2, 5]);
  assert.deepEqual(
    measures.map(({ name, estimates }) => [name, estimates.map(({ mean }) => mean)]),
    [
      ['loss', [5, 6]],
      ['accuracy', [0.3, 0.7]],
    ],
  );
});

test('measures are summed up by point, whatever their axes are', () => {
  const heads: MeasureHead[] = [
    { name: 'return', axis: 'episode', points: ['1', '5'], better: 'higher' },
    { name: 'regret', title: 'regret, in rewards', axis: '', points: [''], better: 'lower' },
  ];
  const rows = (returns: readonly number[], regrets: readonly number[]) => [
    { name: 'return', values: returns },
    { name: 'regret', values: regrets },
  ];
  const { measures } = summariseMeasures([rows([1, 2, 3, 6], [7, 9]), rows([2, 4], [8])], heads);
  assert.deepEqual(
    measures.map(({ name, title, axis, points, estimates }) => [
      name,
      title,
      axis,
      points,
      estimates.map((e) => e.mean),
    ]),
    [
      ['return', 'return', 'episode', ['1', '5'], [2, 4]],
      ['regret', 'regret, in rewards', '', [''], [8]],
    ],
  );
});

test('an evaluation tells how many tasks diverged, and fails when all did', () => {
  const training = Training.begin(jobWith({}), layout, Float32Array.of(1, 2));
  const evaluate = (losses: readonly number[]) => {
    training.keepEvaluateResult(0, 1, { measures: rowsOf(losses) });
    return training.summariseEvaluation(evaluateHeads(1).slice(0, 1));
  };
  const { divergedTasks, measures } = evaluate([1, 3, 2, Number.NaN, 3, 5]);
  assert.deepEqual([divergedTasks, measures[0]?.estimates.map(({ mean }) => mean)], [1, [2, 4]]);
  assert.throws(() => evaluate([1, Number.NaN, Number.POSITIVE_INFINITY, 2]), {
    code: 'RESULT_NOT_FINITE',
    message: /^all 2 tasks of the evaluation after 0 meta-steps diverged: none has a finite loss at every inner step; /,
  });
});

test('every schedule follows its closed form over a whole job', () => {
  const iterations = 1_000;
  for (let step = 0; step < iterations; step += 1) {
    const t = step / iterations;
    assert.equal(scheduleFactor({ name: 'constant' }, step, iterations), 1);
    const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 1e-12, `step ${step}`);
    near(scheduleFactor({ name: 'linear', final: 0.1 }, step, iterations), 1 - 0.9 * t);
    near(
      scheduleFactor({ name: 'cosine', final: 0.1 }, step, iterations),
      0.1 + 0.9 * Math.cos((Math.PI * t) / 2) ** 2,
    );
    const decays = Math.floor(step / 100);
    near(scheduleFactor({ name: 'step', every: 100, factor: 0.9 }, step, iterations), Math.exp(decays * Math.log(0.9)));
  }
});

test('integer powers equal repeated multiplication', () => {
  assert.equal(integerPower(0.9, 0), 1);
  assert.equal(integerPower(3, 13), 1_594_323);
  let power = 1;
  for (let exponent = 1; exponent <= 300; exponent += 1) {
    power *= 0.999;
    // Each of at most 300 multiplications rounds by 2⁻⁵³.
    assert.ok(Math.abs(integerPower(0.999, exponent) / power - 1) < 300 * 2 ** -52);
  }
});

test('a norm of large values does not overflow, and one odd value makes a vector not finite', () => {
  const sum = new MetaGradientSum(new Float64Array(2), 1);
  sum.add(0, Float32Array.of(3 * 2 ** 120, 4 * 2 ** 120));
  assert.equal(sum.mean(1).norm, 5 * 2 ** 120);
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    // Those of a vector's end, which are fewer than four, too.
    for (let at = 0; at < 11; at += 1) {
      const vector = Float32Array.from({ length: 11 }, (_, i) => [1, -3.4e38, 0][i % 3]!);
      assert.equal(isFiniteVector(vector), true);
      vector[at] = odd;
      assert.equal(isFiniteVector(vector), false);
    }
  }
});

const layout = { tensors: [{ name: 'w', shape: [2] }] };

function jobWith(changes: Readonly<Record<string, unknown>>): OuterLoop {
  return readJob(sinusoidSpec('t', { meta: { iterations: 10, batchSize: 4, ...changes } }));
}

const plainDescent = { optimizer: { name: 'sgd', learningRate: 0.5 } };

interface Facts extends Partial<Pick<TrainShardSum, 'nonFiniteTasks' | 'squaredNorm' | 'weight'>> {
  readonly losses?: readonly number[];
  readonly accuracies?: readonly number[];
}

function result(
  metaGradientSum: readonly number[],
  { losses = [1, 3], accuracies = [], nonFiniteTasks = [], ...changes }: Facts = {},
): TrainShardSum {
  return {
    metaGradientSum: Float32Array.from(metaGradientSum),
    taskCount: losses.length,
    weight: losses.length - nonFiniteTasks.length,
    measures: rowsOf(losses, accuracies),
    nonFiniteTasks,
    ...changes,
  };
}

test('a meta-step is the mean meta-gradient of the whole meta-batch, whatever order its shards came in', () => {
  const hashes = [
    [0, 1],
    [1, 0],
  ].map((order) => {
    const training = Training.begin(jobWith(plainDescent), layout, Float32Array.of(1, 2));
    const shards = [result([4, 0]), result([0, -8], { losses: [5, 7] })];
    for (const shard of order) training.keepTrainResult(shard, 2, shards[shard]!);
    const applied = training.applyMetaStep(10, lossHeads);
    // θ − 0.5 · (4, −8)/4.
    assert.deepEqual([...training.metaParams.vector], [0.5, 3]);
    assert.equal(training.metaParams.step, 1);
    assert.deepEqual(applied.measures, trainValues(4));
    assert.equal(applied.metaGradientNorm, Math.sqrt(1 + 4));
    return training.chain.toString('hex');
  });
  assert.equal(hashes[0], hashes[1]);
});

test('a meta-step divides by the weight of its shards, which need not be their number of tasks', () => {
  const training = Training.begin(jobWith(plainDescent), layout, Float32Array.of(1, 2));
  training.keepTrainResult(0, 2, result([4, 0], { weight: 0.5 }));
  training.keepTrainResult(1, 2, result([0, -8], { weight: 1.5 }));
  training.applyMetaStep(10, lossHeads);
  // θ − 0.5 · (4, −8)/2.
  assert.deepEqual([...training.metaParams.vector], [0, 4]);
});

test('a meta-step tells how much its tasks agree, from measured shards of full weight alone', () => {
  const applied = (shards: readonly TrainShardSum[], weights = [1, 1]) => {
    const training = Training.begin(jobWith(plainDescent), layout, Float32Array.of(1, 2));
    for (const [index, shard] of shards.entries()) {
      training.keepTrainResult(index, shards.length, shard, { metaStep: 0, weight: weights[index]! });
    }
    return training.applyMetaStep(10, lossHeads).taskGradients;
  };
  const shards = () => [result([4, 0], { squaredNorm: 16 }), result([0, -8], { squaredNorm: 64 })];
  // Two shards of two tasks: (16/2 + 64/2 − 80/4)/(2 − 1) = 20, and (80 − 80)/8 = 0.
  const spread = applied(shards());
  assert.ok(Math.abs(spread!.variance - 20) < 1e-12);
  assert.ok(Math.abs(spread!.cosine) < 1e-12);
  assert.equal(applied(shards(), [1, 0.5]), undefined);
  assert.equal(applied([...shards().slice(0, 1), result([1, 1])]), undefined);
});

test('the chain of hashes names every θ: SHA-256 of the link before and of θ', () => {
  const start = Float32Array.of(1, 2);
  const training = Training.begin(jobWith(plainDescent), layout, start);
  const link = (before: Buffer, hash: string) => sha256(Buffer.concat([before, Buffer.from(hash, 'hex')]));
  const first = link(Buffer.alloc(32), hashOfVector(start));
  assert.deepEqual(training.chain, first);
  training.keepTrainResult(0, 1, result([1, 1]));
  training.applyMetaStep(10, lossHeads);
  assert.deepEqual(training.chain, link(first, hashOfVector(training.metaParams.vector)));
});

test('a published θ and a snapshot are never written to again', () => {
  const training = Training.begin(jobWith({ optimizer: { name: 'adam' } }), layout, Float32Array.of(1, 2));
  const before = training.metaParams;
  training.keepTrainResult(0, 1, result([1, 1]));
  training.applyMetaStep(10, lossHeads);
  const snapshot = training.snapshot();
  const copy = structuredClone(snapshot.slots);
  training.keepTrainResult(0, 1, result([2, 2]));
  training.applyMetaStep(10, lossHeads);
  assert.deepEqual([...before.vector], [1, 2]);
  assert.deepEqual(snapshot.slots, copy);
  assert.equal(snapshot.metaParams.step, 1);
});

test('a job restored from a snapshot takes exactly the steps of a job that never stopped', () => {
  const meta = jobWith({ optimizer: { name: 'adam', learningRate: 0.1 }, schedule: { name: 'cosine' }, clipNorm: 1 });
  let training = Training.begin(meta, layout, Float32Array.of(1, 2));
  const unbroken = Training.begin(meta, layout, Float32Array.of(1, 2));
  for (let step = 0; step < 10; step += 1) {
    for (const each of [training, unbroken]) {
      each.keepTrainResult(0, 1, result([Math.sin(step), 3 * Math.cos(step)]));
      each.applyMetaStep(10, lossHeads);
    }
    training = Training.restore(meta, structuredClone(training.snapshot()));
    assert.deepEqual(training.metaParams.vector, unbroken.metaParams.vector);
  }
});

test('tasks that are not finite are left out of the means and counted', () => {
  const training = Training.begin(jobWith(plainDescent), layout, Float32Array.of(1, 2));
  const facts = { losses: [1, 9, 2, 3], accuracies: [0.5, 1, 0.5, 0.5], nonFiniteTasks: [1] };
  training.keepTrainResult(0, 1, result([3, 3], facts));
  const applied = training.applyMetaStep(10, accuracyHeads);
  assert.deepEqual([...training.metaParams.vector], [0.5, 1.5], '3 of 4 tasks: a mean of 1');
  assert.deepEqual([applied.measures, applied.skippedTasks], [trainValues(2, 0.5), 1]);
  assert.deepEqual([training.metaParams.step, training.skippedTasks], [1, 1]);
});

const { NaN: notANumber } = Number;
const leftOutCases = [
  { losses: [notANumber, 1], nonFiniteTasks: [0], left: undefined },
  { losses: [notANumber, notANumber], nonFiniteTasks: [0, 1], left: '2 of the 2' },
  { losses: [notANumber, notANumber, 1], nonFiniteTasks: [0, 1], left: '2 of the 3' },
  { losses: [notANumber], nonFiniteTasks: [0], left: '1 of the 1' },
];
for (const { left, ...facts } of leftOutCases) {
  const tasks = `${facts.nonFiniteTasks.length} left out of losses ${facts.losses.join(', ')}`;
  test(`a meta-step that leaves out more than half of its tasks is refused and changes nothing: ${tasks}`, () => {
    const training = Training.begin(jobWith(plainDescent), layout, Float32Array.of(1, 2));
    training.keepTrainResult(0, 1, result([0, 0], facts));
    if (left === undefined) {
      assert.deepEqual(training.applyMetaStep(10, lossHeads).measures, trainValues(1));
      return;
    }
    const message = new RegExp(`^${left} tasks of meta-step 0 .*meta\\.onNonFinite: skip .*at most half`);
    assert.throws(() => training.applyMetaStep(10, lossHeads), { code: 'RESULT_NOT_FINITE', message });
    assert.deepEqual([...training.metaParams.vector], [1, 2]);
    assert.deepEqual([training.metaParams.step, training.skippedTasks], [0, 0]);
  });
}

test('a meta-step with a result that is not finite is refused, and θ stays unchanged', () => {
  const huge = { optimizer: { name: 'sgd', learningRate: 1e30 } };
  const training = Training.begin(jobWith(huge), layout, Float32Array.of(1, 2));
  training.keepTrainResult(0, 1, result([1e30, 0]));
  assert.throws(() => training.applyMetaStep(10, lossHeads), {
    code: 'RESULT_NOT_FINITE',
    message:
      /meta-step 0 would make the meta-parameters infinite or NaN .*meta\.optimizer\.learningRate or meta\.clipNorm/,
  });
  assert.deepEqual([...training.metaParams.vector], [1, 2]);
  assert.equal(training.metaParams.step, 0);
});

test('a meta-step waits for all of its shards', () => {
  const training = Training.begin(jobWith(plainDescent), layout, Float32Array.of(1, 2));
  training.keepTrainResult(1, 2, result([1, 1]));
  assert.throws(() => training.applyMetaStep(10, lossHeads), /shard/);
});
