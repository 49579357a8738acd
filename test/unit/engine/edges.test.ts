// Derivatives where a function has a kink, a pole or none at all: both engines give the numbers of the
// table of traps, to third order.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine, TaskProgramOptions } from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';

interface EdgeCase {
  readonly name: string;
  readonly at: readonly [number, number, number];
  /** Its elements are added. */
  apply(x: tf.Tensor): tf.Tensor;
  readonly gradient: readonly [number, number, number];
  /** Of Σ gradientᵢ · i · xᵢ, i from 1, whose first term is the gradient itself. */
  readonly second: readonly [number, number, number];
}

const zero = [0, 0, 0] as const;
const other = () => tf.tensor1d([1, 2, 3]);

const cases: readonly EdgeCase[] = [
  { name: '`norm` of zeros', at: zero, apply: (x) => tf.norm(x), gradient: zero, second: zero },
  { name: '√Σx² of zeros', at: zero, apply: (x) => tf.sqrt(tf.sum(tf.square(x))), gradient: zero, second: zero },
  {
    name: 'the deviation of equal numbers',
    at: [2, 2, 2],
    apply: (x) => tf.sqrt(tf.mean(tf.square(tf.sub(x, tf.mean(x))))),
    gradient: zero,
    second: zero,
  },
  {
    name: 'the deviation of equal numbers, by `moments`',
    at: [2, 2, 2],
    apply: (x) => tf.sqrt(tf.moments(x).variance),
    gradient: zero,
    second: zero,
  },
  {
    name: '`where(x > 0, sqrt(x), 0)` at 0 and below',
    at: [0, -1, 4],
    apply: (x) => tf.where(tf.greater(x, 0), tf.sqrt(x), 0),
    gradient: [0, 0, 0.25],
    // 3·(x·x^(−1/2)/2)′ = 3·x^(−1/2)/4
    second: [0, 0, 0.375],
  },
  {
    name: 'a cosine with a zero vector, its divisor kept from 0',
    at: zero,
    apply: (x) => tf.div(tf.sum(tf.mul(x, other())), tf.maximum(tf.mul(tf.norm(x), tf.norm(other())), 0.5)),
    gradient: [2, 4, 6],
    second: [2, 8, 18],
  },
  { name: '`abs`', at: [0, -2, 3], apply: (x) => tf.abs(x), gradient: [0, -1, 1], second: [0, -2, 3] },
  { name: '`norm` of order 1', at: [0, -2, 3], apply: (x) => tf.norm(x, 1), gradient: [0, -1, 1], second: [0, -2, 3] },
  { name: '`pow(x, 0)`', at: [0, -2, 3], apply: (x) => tf.pow(x, 0), gradient: zero, second: zero },
  { name: '`pow(x, 1)`', at: [0, -2, 3], apply: (x) => tf.pow(x, 1), gradient: [1, 1, 1], second: [1, 2, 3] },
  { name: '`pow(x, 2)`', at: [0, -2, 3], apply: (x) => tf.pow(x, 2), gradient: [0, -4, 6], second: [0, -16, 36] },
  {
    name: '`pow` of zeros to the exponents 1, 2 and 0',
    at: zero,
    apply: (x) => tf.pow(x, tf.tensor1d([1, 2, 0])),
    gradient: [1, 0, 0],
    second: [1, 0, 0],
  },
  {
    name: 'the exponent of `pow`, where the base is 0',
    at: [1, 2, 2],
    apply: (x) => tf.pow(tf.tensor1d([0, 1, 0]), x),
    gradient: zero,
    second: zero,
  },
  {
    name: '`atan2` at the origin',
    at: zero,
    apply: (x) => tf.atan2(x, tf.mul(x, 2)),
    gradient: zero,
    second: zero,
  },
];

const vector = { shape: [3], dtype: 'float32' } as const;

function programOf({ name, apply }: EdgeCase): TaskProgramOptions {
  const value = (x: tf.Tensor) => tf.sum(apply(x)) as tf.Scalar;
  const first = tf.grad(value);
  const second = tf.grad((x) => tf.sum(tf.mul(first(x), tf.mul(x, other()))) as tf.Scalar);
  const third = tf.grad((x) => tf.sum(tf.mul(second(x), tf.square(x))) as tf.Scalar);
  return {
    name,
    taskFunction: ({ x }) => ({ sum: { first: first(x!), second: second(x!), third: third(x!) }, each: {} }),
    metaParams: { x: vector },
    task: {},
    taskCount: 1,
  };
}

describe('derivatives at the edge', () => {
  const engines: Engine[] = [];
  before(async () => {
    for (const engine of ['eager', 'compiled'] as const) engines.push(await createEngine({ engine, device: 'cpu' }));
  });
  after(async () => {
    for (const engine of engines) await engine.close();
  });

  for (const edge of cases) {
    it(`${edge.name}: both engines give the table's`, async () => {
      for (const engine of engines) {
        const program = await engine.compile(programOf(edge));
        const { sum } = await program.run({ x: Float32Array.from(edge.at) }, {});
        for (const order of ['first', 'second'] as const) {
          const wanted = order === 'first' ? edge.gradient : edge.second;
          for (const [i, got] of sum[order]!.entries()) {
            // float32 rounding of a few operations on numbers up to 36
            assert.ok(Math.abs(got - wanted[i]!) < 1e-5, `${order} order: ${sum[order]}; wanted: ${wanted}`);
          }
        }
        assert.ok(sum.third!.every(Number.isFinite), `third order: ${sum.third}`);
        await program.dispose();
      }
    });
  }

  it('what no convention covers, 0 / 0, is NaN in both engines', async () => {
    const cosine = (x: tf.Tensor) => tf.div(tf.sum(tf.mul(x, other())), tf.mul(tf.norm(x), tf.norm(other())));
    const program: TaskProgramOptions = {
      name: 'cosine',
      taskFunction: ({ x }) => ({ sum: { value: cosine(x!), gradient: tf.grad(cosine)(x!) }, each: {} }),
      metaParams: { x: vector },
      task: {},
      taskCount: 1,
    };
    for (const engine of engines) {
      const { sum } = await (await engine.compile(program)).run({ x: new Float32Array(3) }, {});
      assert.ok([...sum.value!, ...sum.gradient!].every(Number.isNaN));
    }
  });
});
