// What is claimed of every operator in the catalogue, one function a claim; each throws when the claim does not hold. The tests run them one by
// one, and `npm run docs:engine` makes the table of docs/engine.md from them.
import assert from 'node:assert/strict';
import type {
  Engine,
  NamedArrays,
  NamedTensors,
  TaskFunction,
  TaskProgramOptions,
  TensorSpecs,
} from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import type { OperatorCase } from './operator-case.ts';
import { fill, numbers, relativeError } from './programs.ts';

export interface Engines {
  readonly compiled: Engine;
  /** The reference. */
  readonly eager: Engine;
}

const innerLearningRate = 0.1;

/** Compiled values equal the eager ones: float32 rounding of a few dozen operations. */
const valueTolerance = 2e-5;
/** Of a gradient's size; a second-order gradient sums some hundred terms of mixed sign. */
const gradientTolerance = 2e-4;
/** Rounding of a loss near 1, some 1e-7, over a reach of 1e-2, and the fifth derivative's part of a four-point difference. */
const differenceTolerance = 4e-3;

export type Level = 'values' | 'gradient' | 'second order';

/** The operator's value, its loss' gradient, or the gradient through one inner step on other data (MAML's). */
export function operatorProgram(operator: OperatorCase, level: Level, taskCount: number): TaskProgramOptions {
  const names = Object.keys(operator.params);
  const named = (tensors: readonly tf.Tensor[]): NamedTensors =>
    Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
  const of = (task: NamedTensors, set: string): NamedTensors =>
    Object.fromEntries(Object.keys(operator.task).map((name) => [name, task[`${set}.${name}`]!]));
  const loss = (params: NamedTensors, task: NamedTensors) => {
    const value = tf.cast(operator.apply(params, task), 'float32');
    return tf.mean(tf.square(tf.add(value, 0.3))) as tf.Scalar;
  };
  const adapted = (tensors: readonly tf.Tensor[], task: NamedTensors) => {
    const gradients = tf.grads((...inner) => loss(named(inner), task))([...tensors]);
    return named(tensors.map((tensor, i) => tf.sub(tensor, tf.mul(gradients[i]!, innerLearningRate))));
  };
  const taskFunction: TaskFunction = (metaParams, task) => {
    if (level === 'values') return { sum: {}, each: { value: operator.apply(metaParams, of(task, 'support')) } };
    const objective = (...tensors: tf.Tensor[]) =>
      level === 'gradient'
        ? loss(named(tensors), of(task, 'support'))
        : loss(adapted(tensors, of(task, 'support')), of(task, 'query'));
    const { value, grads } = tf.valueAndGrads(objective)(names.map((name) => metaParams[name]!));
    return { sum: named(grads), each: { loss: value } };
  };
  return {
    name: `operator ${operator.name}`,
    taskFunction,
    metaParams: operator.params,
    task: taskSpecs(operator),
    taskCount,
  };
}

function taskSpecs({ task }: OperatorCase): TensorSpecs {
  const sets = ['support', 'query'].flatMap((set) =>
    Object.entries(task).map(([name, spec]) => [`${set}.${name}`, spec] as const),
  );
  return Object.fromEntries(sets);
}

async function run(
  engine: Engine,
  operator: OperatorCase,
  level: Level,
  taskCount = 1,
  metaParams = paramsOf(operator),
) {
  const program = await engine.compile(operatorProgram(operator, level, taskCount));
  try {
    return await program.run(metaParams, tasksOf(operator, taskCount));
  } finally {
    await program.dispose();
  }
}

const paramsOf = ({ params }: OperatorCase): NamedArrays => fill(params, { seed: 11 });

const tasksOf = (operator: OperatorCase, count: number): NamedArrays => {
  const { labels } = operator;
  return fill(taskSpecs(operator), { seed: 12, count, scale: 1, ...(labels !== undefined && { labels }) });
};

/** The operator becomes a graph whose values are the eager engine's. */
export async function checkTraced({ compiled, eager }: Engines, operator: OperatorCase): Promise<void> {
  const [ours, reference] = [await run(compiled, operator, 'values'), await run(eager, operator, 'values')];
  assertClose(ours.each, reference.each, valueTolerance);
}

/** T tasks in one run give what T runs of one task give. */
export async function checkBatched({ compiled }: Engines, operator: OperatorCase): Promise<void> {
  const taskCount = 3;
  const level = operator.valuesOnly ? 'values' : 'second order';
  const together = await run(compiled, operator, level, taskCount);
  const single = await compiled.compile(operatorProgram(operator, level, 1));
  const stacked = tasksOf(operator, taskCount);
  const sums = Object.fromEntries(Object.entries(together.sum).map(([name, values]) => [name, values.map(() => 0)]));
  for (let task = 0; task < taskCount; task++) {
    const part = (values: NamedArrays) =>
      Object.fromEntries(
        Object.entries(values).map(([name, array]) => {
          const size = array.length / taskCount;
          return [name, array.subarray(task * size, (task + 1) * size)];
        }),
      );
    const { sum, each } = await single.run(paramsOf(operator), part(stacked));
    for (const [name, values] of Object.entries(sum)) {
      const total = sums[name]!;
      for (let i = 0; i < total.length; i++) total[i]! += values[i]!;
    }
    assertClose(part(together.each), each, valueTolerance);
  }
  await single.dispose();
  assertClose(together.sum, sums, gradientTolerance);
}

/** The gradient is the eager engine's and that of finite differences of the loss. */
export async function checkGradient(engines: Engines, operator: OperatorCase): Promise<void> {
  await checkDerivative(engines, operator, 'gradient');
}

/** The gradient through an inner gradient step is the eager engine's and that of finite differences of the adapted loss. */
export async function checkSecondOrder(engines: Engines, operator: OperatorCase): Promise<void> {
  await checkDerivative(engines, operator, 'second order');
}

async function checkDerivative({ compiled, eager }: Engines, operator: OperatorCase, level: Level): Promise<void> {
  if (operator.valuesOnly) return;
  const ours = await run(compiled, operator, level);
  const reference = await run(eager, operator, level);
  assertClose(ours.each, reference.each, valueTolerance);
  assertClose(ours.sum, reference.sum, gradientTolerance);
  const program = await compiled.compile(operatorProgram(operator, level, 1));
  const params = paramsOf(operator);
  const tasks = tasksOf(operator, 1);
  const names = Object.keys(params);
  const next = numbers(13);
  const random = Object.fromEntries(names.map((name) => [name, Float32Array.from(params[name]!, () => next())]));
  const size = norm(names.flatMap((name) => [...ours.sum[name]!]));
  for (const direction of [ours.sum, random]) {
    const length = norm(names.flatMap((name) => [...direction[name]!]));
    assert.ok(length > 1e-3, `the gradient's norm is ${length}: the case checks nothing`);
    const lossAt = async (by: number) => {
      const moved = names.map((name) => {
        return [name, params[name]!.map((value, i) => value + (by * direction[name]![i]!) / length)] as const;
      });
      return (await program.run(Object.fromEntries(moved), tasks)).each.loss![0]!;
    };
    const reach = operator.reach ?? 1e-2;
    const near = (await lossAt(reach)) - (await lossAt(-reach));
    const far = (await lossAt(2 * reach)) - (await lossAt(-2 * reach));
    const slope = (8 * near - far) / (12 * reach);
    const claimed = names.reduce((sum, name) => sum + dot(ours.sum[name]!, direction[name]!) / length, 0);
    const rounding = 3e-7 / reach;
    assert.ok(
      Math.abs(slope - claimed) < differenceTolerance * size + rounding,
      `${level}: the derivative is ${claimed}, differences say ${slope} (gradient norm ${size})`,
    );
  }
  await program.dispose();
}

const norm = (values: readonly number[]): number => Math.hypot(...values);

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

function assertClose(actual: NamedArrays, expected: NamedArrays, tolerance: number): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort());
  for (const [name, values] of Object.entries(expected)) {
    assert.equal(actual[name]!.length, values.length, name);
    const error = relativeError(actual[name]!, values);
    assert.ok(error < tolerance, `${name}: relative error ${error}`);
  }
}
