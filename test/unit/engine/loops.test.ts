// Programs that a procedure calls in a loop: what differs from task to task goes in as task tensors
// and comes back in `each`, to be handed to the next call as it is. Looped steps agree with the steps
// traced as one program, on every executor.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCompiledEngine } from '../../../worker/engine/compiled.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import { deviceFacts } from '../../../worker/engine/devices.ts';
import type {
  Engine,
  NamedArrays,
  NamedTensors,
  TaskProgramOptions,
  TensorSpecs,
  TypedArray,
} from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import {
  type ConvOptions,
  convLoss,
  convParams,
  convTask,
  fill,
  type Loss,
  mlpLoss,
  mlpParams,
  mlpTask,
  relativeError,
} from './programs.ts';

const taskCount = 3;
const steps = 5;
const learningRate = 0.1;

const conv: ConvOptions = { size: 8, channels: 1, filters: 4, layers: 2, ways: 3, images: 3, queries: 3, downsampling: 'stride' }; // biome-ignore format: one line

interface Network {
  readonly name: string;
  readonly loss: Loss;
  readonly params: TensorSpecs;
  readonly task: TensorSpecs;
}

const networks: readonly Network[] = [
  { name: 'an MLP', loss: mlpLoss(tf.tanh), params: mlpParams, task: support(mlpTask) },
  { name: 'convolutions', loss: convLoss(conv), params: convParams(conv), task: support(convTask(conv)) },
];

function support({ supportX, supportY }: TensorSpecs): TensorSpecs {
  return { supportX: supportX!, supportY: supportY! };
}

/** φ ← φ − α ∂L/∂φ, as often as it says. */
function descend({ loss }: Network, phi: NamedTensors, task: NamedTensors, times: number): NamedTensors {
  const names = Object.keys(phi);
  const named = (tensors: readonly tf.Tensor[]): NamedTensors =>
    Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
  let current = phi;
  for (let step = 0; step < times; step++) {
    const tensors = names.map((name) => current[name]!);
    const gradients = tf.grads((...xs) => loss(named(xs), task.supportX!, task.supportY!))(tensors);
    current = named(tensors.map((tensor, i) => tf.sub(tensor, tf.mul(gradients[i]!, learningRate))));
  }
  return current;
}

/** One step on state that each task has of its own; no meta-parameters, no sums. */
function stepProgram(network: Network): TaskProgramOptions {
  return {
    name: `one step of ${network.name}`,
    taskFunction: (_, task) => {
      const phi = Object.fromEntries(Object.keys(network.params).map((name) => [name, task[name]!]));
      return { sum: {}, each: descend(network, phi, task, 1) };
    },
    metaParams: {},
    task: { ...network.params, ...network.task },
    taskCount,
  };
}

function tracedProgram(network: Network): TaskProgramOptions {
  return {
    name: `five steps of ${network.name}`,
    taskFunction: (theta, task) => ({ sum: {}, each: descend(network, theta, task, steps) }),
    metaParams: network.params,
    task: network.task,
    taskCount,
  };
}

/** The meta-parameters as the first state of every task. */
function stacked(arrays: NamedArrays): NamedArrays {
  const copies = (array: TypedArray) =>
    Float32Array.from({ length: taskCount * array.length }, (_, i) => array[i % array.length]!);
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, copies(array)]));
}

describe('a program in a loop', () => {
  const executors: { readonly name: string; readonly engine: Engine }[] = [];
  before(async () => {
    const facts = deviceFacts('cpu');
    executors.push(
      { name: 'eager', engine: await createEngine({ engine: 'eager', device: 'cpu' }) },
      { name: 'compiled', engine: await createEngine({ engine: 'compiled', device: 'cpu' }) },
      { name: 'one ONNX model', engine: await createCompiledEngine({ facts, passes: { target: 'onnx' } }) },
      { name: 'a task a run', engine: await createCompiledEngine({ facts, passes: { target: 'onnx' }, runBudgetBytes: 1 }) }, // biome-ignore format: one line
    );
  });
  after(async () => {
    for (const { engine } of executors) await engine.close();
  });

  for (const network of networks) {
    it(`that is one step of ${network.name}, five times, is the program of five steps`, async () => {
      const theta = fill(network.params, { seed: 1 });
      const data = fill(network.task, { seed: 2, count: taskCount, labels: conv.ways });
      const reference = await (await executors[0]!.engine.compile(tracedProgram(network))).run(theta, data);
      for (const { name, engine } of executors) {
        const traced = await (await engine.compile(tracedProgram(network))).run(theta, data);
        const step = await engine.compile(stepProgram(network));
        let state = stacked(theta);
        const passed: { readonly arrays: NamedArrays; readonly copies: Record<string, TypedArray> }[] = [];
        for (let i = 0; i < steps; i++) {
          const copies = Object.fromEntries(Object.entries(state).map(([key, array]) => [key, array.slice()]));
          passed.push({ arrays: state, copies });
          state = (await step.run({}, { ...state, ...data })).each;
        }
        // what a call was given and what it returned belong to the caller
        for (const { arrays, copies } of passed) assert.deepEqual(arrays, copies, name);
        for (const key of Object.keys(network.params)) {
          assert.equal(state[key]!.length, taskCount * theta[key]!.length);
          // float32 rounding of five steps; between executors, whose sums have other orders, too
          for (const other of [traced.each[key]!, reference.each[key]!]) {
            const error = relativeError(state[key]!, other);
            assert.ok(error < 2e-5, `${name}: ${key} differs by ${error}`);
          }
          // the tasks went their own ways
          const size = theta[key]!.length;
          assert.notDeepEqual(state[key]!.subarray(0, size), state[key]!.subarray(size, 2 * size));
        }
      }
    });
  }

  it("that is H·v, called by conjugate gradients, solves each task's system", async () => {
    const [network] = networks as readonly [Network];
    const names = Object.keys(network.params);
    const gradient = (theta: readonly tf.Tensor[], task: NamedTensors) =>
      tf.grads((...xs) =>
        network.loss(Object.fromEntries(names.map((name, i) => [name, xs[i]!])), task.supportX!, task.supportY!),
      )([...theta]);
    const vectors = Object.fromEntries(names.map((name) => [`v.${name}`, network.params[name]!]));
    const product: TaskProgramOptions = {
      name: 'H·v',
      taskFunction: (theta, task) => {
        const along = (...tensors: tf.Tensor[]) =>
          tf.addN(gradient(tensors, task).map((g, i) => tf.sum(tf.mul(g, task[`v.${names[i]}`]!)))) as tf.Scalar;
        const products = tf.grads(along)(names.map((name) => theta[name]!));
        return { sum: {}, each: Object.fromEntries(names.map((name, i) => [`v.${name}`, products[i]!])) };
      },
      metaParams: network.params,
      task: { ...network.task, ...vectors },
      taskCount,
    };
    const first: TaskProgramOptions = {
      name: '∂L/∂φ',
      taskFunction: (_, task) => {
        const gradients = gradient(
          names.map((name) => task[`v.${name}`]!),
          task,
        );
        return { sum: {}, each: Object.fromEntries(names.map((name, i) => [`v.${name}`, gradients[i]!])) };
      },
      metaParams: {},
      task: { ...network.task, ...vectors },
      taskCount,
    };
    const theta = fill(network.params, { seed: 3 });
    const data = fill(network.task, { seed: 4, count: taskCount });
    const b = fill(vectors, { seed: 5, count: taskCount });
    // more than the steepest way down that the losses have here, so that the systems are positive
    const damping = 20;
    for (const { name, engine } of executors) {
      const program = await engine.compile(product);
      const times = async (v: NamedArrays) => flat((await program.run(theta, { ...data, ...v })).each, names);
      const x = await solve(async (v) => (await times(unflat(v, b, names))).map((h, i) => h + damping * v[i]!), flat(b, names)); // biome-ignore format: one line
      // (H + λ) x = b, with H·x by central differences of the gradient
      const gradients = await engine.compile(first);
      const reach = 1e-2 / Math.max(...x.map(Math.abs));
      const shifted = async (sign: number) => {
        const start = flat(stackedVectors(theta), names);
        const moved = start.map((value, i) => value + sign * reach * x[i]!);
        return flat((await gradients.run({}, { ...data, ...unflat(moved, b, names) })).each, names);
      };
      const [plus, minus] = [await shifted(1), await shifted(-1)];
      const left = x.map((value, i) => (plus[i]! - minus[i]!) / (2 * reach) + damping * value);
      // rounding of gradients near 1 over the reach, and the third derivative's part
      const error = relativeError(Float32Array.from(left), Float32Array.from(flat(b, names)));
      assert.ok(error < 2e-3, `${name}: the residual is ${error}`);
    }
  });

  it('may have state of any type and rank, and leave some of it as it is', async () => {
    const program: TaskProgramOptions = {
      name: 'counting',
      taskFunction: (_, { count, isOdd, fixed }) => ({
        sum: {},
        each: { count: tf.add(count!, tf.scalar(1, 'int32')), isOdd: tf.logicalNot(isOdd!), fixed: fixed! },
      }),
      metaParams: {},
      task: {
        count: { shape: [], dtype: 'int32' },
        isOdd: { shape: [2], dtype: 'bool' },
        fixed: { shape: [1, 2], dtype: 'float32' },
      },
      taskCount,
    };
    for (const { name, engine } of executors) {
      const step = await engine.compile(program);
      let state: NamedArrays = {
        count: Int32Array.of(0, 10, 20),
        isOdd: Uint8Array.of(0, 1, 0, 1, 0, 1),
        fixed: Float32Array.of(1, 2, 3, 4, 5, 6),
      };
      for (let i = 0; i < steps; i++) state = (await step.run({}, state)).each;
      assert.deepEqual(
        state,
        {
          count: Int32Array.of(5, 15, 25),
          isOdd: Uint8Array.of(1, 0, 1, 0, 1, 0),
          fixed: Float32Array.of(1, 2, 3, 4, 5, 6),
        },
        name,
      );
    }
  });
});

/** Conjugate gradients for all tasks at once: their systems are blocks of one. */
async function solve(times: (v: number[]) => Promise<number[]>, b: readonly number[]): Promise<number[]> {
  const dot = (p: readonly number[], q: readonly number[]) => p.reduce((sum, value, i) => sum + value * q[i]!, 0);
  let x = b.map(() => 0);
  let residual = [...b];
  let direction = [...b];
  for (let i = 0; i < 20; i++) {
    const product = await times(direction);
    const length = dot(residual, residual);
    const step = length / dot(direction, product);
    x = x.map((value, k) => value + step * direction[k]!);
    residual = residual.map((value, k) => value - step * product[k]!);
    direction = direction.map((value, k) => residual[k]! + (dot(residual, residual) / length) * value);
  }
  return x;
}

const stackedVectors = (theta: NamedArrays): NamedArrays =>
  Object.fromEntries(Object.entries(stacked(theta)).map(([name, array]) => [`v.${name}`, array]));

function flat(arrays: NamedArrays, names: readonly string[]): number[] {
  return names.flatMap((name) => [...arrays[`v.${name}`]!]);
}

function unflat(values: readonly number[], like: NamedArrays, names: readonly string[]): NamedArrays {
  let at = 0;
  const next = (length: number) => {
    at += length;
    return Float32Array.from(values.slice(at - length, at));
  };
  return Object.fromEntries(names.map((name) => [`v.${name}`, next(like[`v.${name}`]!.length)]));
}
