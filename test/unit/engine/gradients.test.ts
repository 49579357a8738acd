// The compiled executor against the eager one and against finite differences: the numbers of a meta-gradient are right, at both orders.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine, NamedArrays, TaskProgramOptions } from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import { type ConvOptions, convProgram, fill, mlpProgram, relativeError } from './programs.ts';

const small: ConvOptions = {
  size: 8,
  channels: 1,
  filters: 4,
  layers: 2,
  ways: 3,
  images: 3,
  queries: 6,
  downsampling: 'stride',
};

const taskCount = 3;

const programs: readonly (readonly [string, TaskProgramOptions])[] = (['first', 'second'] as const).flatMap((order) => [
  [`an MLP with relu, ${order} order`, mlpProgram({ order, taskCount })] as const,
  [`an MLP with tanh, ${order} order`, mlpProgram({ order, taskCount, activation: tf.tanh })] as const,
  ...(['stride', 'max-pool', 'overlapping-max-pool', 'average-pool'] as const).map(
    (downsampling) =>
      [
        `convolutions with ${downsampling}, ${order} order`,
        convProgram({ ...small, downsampling }, { order, taskCount }),
      ] as const,
  ),
]);

describe('meta-gradients', () => {
  let compiled: Engine;
  let eager: Engine;
  before(async () => {
    compiled = await createEngine({ engine: 'compiled', device: 'cpu' });
    eager = await createEngine({ engine: 'eager', device: 'cpu' });
  });
  after(async () => {
    await compiled.close();
    await eager.close();
  });

  for (const [name, program] of programs) {
    it(`${name}: compiled equals eager to float32 rounding`, async () => {
      const metaParams = fill(program.metaParams, { seed: 1 });
      const tasks = fill(program.task, { seed: 2, count: taskCount, labels: 3 });
      const ours = await (await compiled.compile(program)).run(metaParams, tasks);
      const reference = await (await eager.compile(program)).run(metaParams, tasks);
      assert.deepEqual(Object.keys(ours.sum), Object.keys(reference.sum));
      for (const [output, values] of Object.entries(reference.sum)) {
        // float32 has 6e-8 of rounding; a second-order gradient sums some thousand terms of mixed sign
        const error = relativeError(ours.sum[output]!, values);
        assert.ok(error < 2e-4, `${output}: relative error ${error}`);
      }
      assert.ok(relativeError(ours.each.taskLoss!, reference.each.taskLoss!) < 1e-5);
    });
  }

  for (const [name, activation] of [
    ['tanh', tf.tanh],
    ['sigmoid', tf.sigmoid],
    ['exp(−x²)', (x: never) => tf.exp(tf.neg(tf.square(x)))],
  ] as const) {
    it(`second order with ${name} equals finite differences of the adapted loss`, async () => {
      // Smooth, so central differences of step h are right to h² ≈ 1e-4 and float32 noise 1e-7 / h ≈ 1e-5. The inner rate makes the
      // second-order terms a tenth of the gradient and more.
      const program = mlpProgram({
        order: 'second',
        innerSteps: 3,
        innerLearningRate: 0.1,
        taskCount: 2,
        activation: activation as never,
      });
      const metaParams = fill(program.metaParams, { seed: 3 });
      const tasks = fill(program.task, { seed: 4, count: 2 });
      const run = await compiled.compile(program);
      const lossAt = async (params: NamedArrays) => (await run.run(params, tasks)).sum.loss![0]!;
      const { sum } = await run.run(metaParams, tasks);
      const h = 1e-2;
      for (const [name, values] of Object.entries(metaParams)) {
        const gradient = sum[`gradient.${name}`]!;
        const largest = Math.max(...Array.from(gradient, Math.abs));
        for (const i of [0, Math.floor(values.length / 2), values.length - 1]) {
          const moved = (by: number) => ({
            ...metaParams,
            [name]: values.map((value, k) => (k === i ? value + by : value)) as Float32Array,
          });
          const slope = ((await lossAt(moved(h))) - (await lossAt(moved(-h)))) / (2 * h);
          assert.ok(
            Math.abs(slope - gradient[i]!) < 3e-3 * largest + 2e-4,
            `${name}[${i}]: ${gradient[i]}, differences say ${slope}`,
          );
        }
      }
    });
  }

  it('first and second order differ, so that the second-order terms are there at all', async () => {
    const [first, second] = await Promise.all(
      (['first', 'second'] as const).map(async (order) => {
        const program = mlpProgram({ order, taskCount, activation: tf.tanh });
        const run = await compiled.compile(program);
        return (await run.run(fill(program.metaParams, { seed: 1 }), fill(program.task, { seed: 2, count: taskCount })))
          .sum['gradient.w2']!;
      }),
    );
    assert.ok(relativeError(first!, second!) > 0.05);
  });

  it('a NaN in a task comes out as NaN', async () => {
    const program = mlpProgram({ taskCount });
    const tasks = fill(program.task, { seed: 2, count: taskCount });
    (tasks.supportX as Float32Array)[0] = Number.NaN;
    const { sum, each } = await (await compiled.compile(program)).run(fill(program.metaParams, { seed: 1 }), tasks);
    assert.ok(Number.isNaN(sum.loss![0]!));
    assert.ok(Number.isNaN(each.taskLoss![0]!));
    assert.ok(Number.isFinite(each.taskLoss![1]!));
  });

  it('equal inputs give equal bytes', async () => {
    const program = convProgram(small, { taskCount });
    const metaParams = fill(program.metaParams, { seed: 1 });
    const tasks = fill(program.task, { seed: 2, count: taskCount, labels: 3 });
    const run = await compiled.compile(program);
    const first = await run.run(metaParams, tasks);
    const again = await run.run(metaParams, tasks);
    assert.deepEqual(first, again);
  });
});
