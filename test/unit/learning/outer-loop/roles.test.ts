// Parameters with roles: groups with a learning rate and a clip of their own, averages, and what stays as it is.
// Every number is worked out by hand.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Parameter } from '../../../../learning/facts.ts';
import { readJob } from '../../../../learning/job-file.ts';
import { zeros } from '../../../../learning/kit/initializers.ts';
import { stretchesOf } from '../../../../learning/outer-loop/roles.ts';
import { type OuterLoop, Training, type TrainShardSum } from '../../../../learning/outer-loop/training.ts';
import { sinusoidSpec } from '../../../support/job-specs.ts';
import { lossHeads, rowsOf } from '../../../support/measures.ts';

const parameter = (name: string, role: Partial<Parameter> = {}, size = 2): Parameter => ({
  name,
  shape: [size],
  initialize: zeros,
  ...role,
});

const layoutFor = (parameters: readonly Parameter[]) => ({
  tensors: parameters.map(({ name, shape }) => ({ name, shape })),
});

function training(parameters: readonly Parameter[], meta: object, start: readonly number[]) {
  const { spec, optimizer } = readJob(sinusoidSpec('t', { meta: { iterations: 10, batchSize: 4 } }));
  const sections = { optimizer: { name: 'sgd', learningRate: 0.5 }, schedule: { name: 'constant' }, ...meta };
  const job = { spec: { ...spec, meta: { ...spec.meta, ...sections } }, optimizer, parameters } as OuterLoop;
  const part = readJob(sinusoidSpec('t', { meta: { iterations: 10, batchSize: 4, optimizer: sections.optimizer } }));
  return Training.begin({ ...job, optimizer: part.optimizer }, layoutFor(parameters), Float32Array.from(start));
}

const shard = (sum: readonly number[], changes: Partial<TrainShardSum> = {}): TrainShardSum => ({
  metaGradientSum: Float32Array.from(sum),
  taskCount: 2,
  weight: 2,
  measures: rowsOf([1, 1]),
  nonFiniteTasks: [],
  ...changes,
});

function stepped(parameters: readonly Parameter[], meta: object, start: readonly number[], sums: TrainShardSum[]) {
  const made = training(parameters, meta, start);
  for (const [index, sum] of sums.entries()) made.keepTrainResult(index, sums.length, sum);
  const applied = made.applyMetaStep(10, lossHeads);
  return { values: [...made.metaParams.vector], applied, made };
}

const model = parameter('w');
const rates = parameter('rates', { group: 'rates' });

describe('a group of parameters', () => {
  it('may have a learning rate of its own, which the schedule multiplies', () => {
    const meta = { groups: { rates: { learningRate: 0.1 } }, schedule: { name: 'linear', final: 0 } };
    const made = training([model, rates], meta, [0, 0, 0, 0]);
    made.keepTrainResult(0, 1, shard([2, 4, 2, 4]));
    made.applyMetaStep(10, lossHeads);
    // −0.5 · (1, 2) and −0.1 · (1, 2)
    assert.deepEqual([...made.metaParams.vector], [-0.5, -1, ...[-0.1, -0.2].map(Math.fround)]);
    made.keepTrainResult(0, 1, shard([2, 4, 2, 4]));
    made.applyMetaStep(2, lossHeads);
    // half the rates at step 1 of 2
    assert.deepEqual([...made.metaParams.vector].map(near), [-0.75, -1.5, -0.15, -0.3]);
  });

  it('may have a clip of its own; the clip of all is then that of the others together', () => {
    const sums = [shard([6, 8, 60, 80])];
    const own = { clipNorm: 1, groups: { rates: { clipNorm: 10 } } };
    const { values, applied } = stepped([model, rates], own, [0, 0, 0, 0], sums);
    // means (3, 4) of norm 5 to norm 1, and (30, 40) of norm 50 to norm 10; times −0.5
    assert.deepEqual(values.map(near), [-0.3, -0.4, -3, -4].map(near));
    assert.equal(applied.metaGradientNorm, Math.hypot(3, 4, 30, 40), 'before clipping, of all');
    const onlyRate = { clipNorm: 1, groups: { rates: { learningRate: 0.5 } } };
    const together = stepped([model, rates], onlyRate, [0, 0, 0, 0], [shard([6, 8, 60, 80])]).values;
    const { values: without } = stepped([model, rates], { clipNorm: 1 }, [0, 0, 0, 0], [shard([6, 8, 60, 80])]);
    assert.deepEqual(together, without, 'a group without a clip is clipped with the others');
  });

  it('has its own part of the optimizer state', () => {
    const meta = { optimizer: { name: 'adam', learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } };
    const grouped = training([model, rates], { ...meta, groups: { rates: { learningRate: 0.1 } } }, [1, 2, 3, 4]);
    const whole = training([model, rates], meta, [1, 2, 3, 4]);
    for (let step = 0; step < 4; step++) {
      for (const each of [grouped, whole]) {
        each.keepTrainResult(0, 1, shard([1, -2, 3 * step, 4]));
        each.applyMetaStep(10, lossHeads);
      }
    }
    assert.deepEqual(grouped.metaParams.vector, whole.metaParams.vector, 'equal rates: equal bytes');
    assert.deepEqual(grouped.snapshot().slots, whole.snapshot().slots);
  });
});

describe('a parameter that is an average', () => {
  const statistics = parameter('mean', { update: 'average' });
  const constants = parameter('constants', { update: 'fixed' });

  it('becomes the mean of what was sent, by weight; a fixed one stays', () => {
    const sums = [shard([2, 4, 10, 20, 7, 7]), shard([2, 4, 30, 60, 7, 7], { weight: 6 })];
    const { values, applied } = stepped([model, statistics, constants], {}, [0, 0, 5, 5, 9, -9], sums);
    // −0.5 · (4, 8)/8, (40, 80)/8, and what it was
    assert.deepEqual(values, [-0.25, -0.5, 5, 10, 9, -9]);
    assert.equal(applied.metaGradientNorm, Math.hypot(0.5, 1), 'of the gradients alone');
    assert.equal(applied.taskGradients, undefined);
  });

  it('is clipped by nothing', () => {
    const { values } = stepped([model, statistics], { clipNorm: 1 }, [0, 0, 0, 0], [shard([6, 8, 2000, 4000])]);
    assert.deepEqual(values.map(near), [-0.3, -0.4, 1000, 2000].map(near));
  });

  it('stays an average of what stale shards sent, by their weights', () => {
    const made = training([model, statistics], {}, [0, 0, 0, 0]);
    made.keepTrainResult(0, 2, shard([0, 0, 20, 20]), { metaStep: 0, weight: 0.5 });
    made.keepTrainResult(1, 2, shard([0, 0, 8, 8]), { metaStep: 0, weight: 1 });
    made.applyMetaStep(10, lossHeads);
    // (0.5 · 20 + 8) / (0.5 · 2 + 2)
    assert.deepEqual([...made.metaParams.vector].slice(2), [6, 6]);
  });

  it('is refused where the average is not finite', () => {
    const made = training([statistics], {}, [1, 2]);
    made.keepTrainResult(0, 1, shard([3e38, 0], { weight: 0.5 }));
    assert.throws(() => made.applyMetaStep(10, lossHeads), { code: 'RESULT_NOT_FINITE' });
    assert.deepEqual([...made.metaParams.vector], [1, 2]);
  });
});

it('parameters that follow each other and are treated alike are one stretch', () => {
  const parameters = [model, parameter('b', { group: 'other' }), rates, parameter('c', { update: 'average' })];
  const layout = layoutFor(parameters);
  assert.deepEqual(stretchesOf(layout, parameters, {}), [
    { begin: 0, end: 6, update: 'gradient', group: undefined },
    { begin: 6, end: 8, update: 'average', group: undefined },
  ]);
  assert.deepEqual(
    stretchesOf(layout, parameters, { groups: { rates: { clipNorm: 1 } } }).map(({ begin, group }) => [begin, group]),
    [
      [0, undefined],
      [4, 'rates'],
      [6, undefined],
    ],
  );
});

/** A millionth is more than the rounding of float32 here. */
function near(value: number): number {
  return Math.round(value * 1e5) / 1e5;
}
