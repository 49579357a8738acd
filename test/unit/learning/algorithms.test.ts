// The algorithms on linear regression, where every gradient and second derivative is known in closed form: ŷ = w·x + b, squared error.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { layoutOf } from '../../../learning/job.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { buildJob } from '../../../worker/learning/open.ts';
import { programOptions } from '../../../worker/learning/programs.ts';
import { flat, jobOf } from './small-jobs.ts';

type Pair = readonly [number, number];
interface Point {
  readonly x: number;
  readonly y: number;
}

const points: readonly Point[] = [
  { x: 1, y: 0.5 },
  { x: -0.5, y: 1 },
  { x: 0.8, y: -1 },
  { x: -1.2, y: 0.3 },
];
const start: Pair = [0.7, -0.2];

const add = (a: Pair, b: Pair): Pair => [a[0] + b[0], a[1] + b[1]];
const scale = (a: Pair, factor: number): Pair => [a[0] * factor, a[1] * factor];
const mean = (vectors: readonly Pair[]): Pair => scale(vectors.reduce(add), 1 / vectors.length);

/** ∇ (w·x + b − y)² */
const gradientAt = ([w, b]: Pair, { x, y }: Point): Pair => scale([x, 1], 2 * (w * x + b - y));

/** The second derivative of the same, applied to a vector. */
const curvature = ({ x }: Point, [v, u]: Pair): Pair => scale([x, 1], 2 * (x * v + u));

/** Every ordered choice of `count` different items. */
function choices<T>(items: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return items.flatMap((item) =>
    choices(
      items.filter((other) => other !== item),
      count - 1,
    ).map((rest) => [item, ...rest]),
  );
}

/** Mean meta-gradient over tasks, each the list of its points, of which the first `shots` are its support set. */
async function metaGradient(
  engine: Engine,
  algorithm: object,
  tasks: readonly (readonly Point[])[],
  shots: number,
): Promise<Pair> {
  const task = { distribution: 'sinusoid', shots, queries: tasks[0]!.length - shots };
  const job = jobOf(task, { architecture: 'mlp', hiddenLayers: [] }, algorithm);
  const layout = layoutOf(job.parameters);
  const { stacked, task: taskAt } = allocateTasks(job.task, tasks.length);
  for (const [index, examples] of tasks.entries()) {
    const arrays = taskAt(index);
    arrays.supportInputs!.set(examples.slice(0, shots).map(({ x }) => x));
    arrays.supportTargets!.set(examples.slice(0, shots).map(({ y }) => y));
    arrays.queryInputs!.set(examples.slice(shots).map(({ x }) => x));
    arrays.queryTargets!.set(examples.slice(shots).map(({ y }) => y));
  }
  const { train } = buildJob(job).functions;
  const options = { name: 'linear regression', taskCount: tasks.length };
  const program = await engine.compile(programOptions(job, train!, options));
  const { sum } = await program.run(
    { 'layer1.weights': Float32Array.of(start[0]), 'layer1.bias': Float32Array.of(start[1]) },
    stacked,
  );
  await program.dispose();
  const [w, b] = flat(layout, sum);
  return scale([w!, b!], 1 / tasks.length);
}

function assertClose(actual: Pair, expected: Pair, tolerance: number): void {
  const error = Math.hypot(actual[0] - expected[0], actual[1] - expected[1]) / Math.hypot(...expected);
  assert.ok(error < tolerance, `got ${actual.join(', ')}; expected ${expected.join(', ')}`);
}

describe('the algorithms on linear regression', () => {
  let engine: Engine;
  before(async () => {
    engine = await createEngine({ engine: 'compiled', device: 'cpu' });
  });
  after(() => engine.close());

  describe('the expected meta-gradient after k inner gradients, to first order in α (Nichol et al. 2018, §5.1)', () => {
    const k = 3;
    const avgGrad = mean(points.map((point) => gradientAt(start, point)));
    const avgGradInner = mean(choices(points, 2).map(([a, b]) => curvature(a!, gradientAt(start, b!))));
    const pairs = choices(points, 2);
    const triples = choices(points, k);

    const estimators: readonly {
      readonly name: string;
      readonly at: (innerLearningRate: number) => Promise<Pair>;
      readonly constant: number;
      readonly slope: number;
    }[] = [
      {
        name: 'MAML',
        at: (innerLearningRate) =>
          metaGradient(
            engine,
            { name: 'maml', order: 'second', innerSteps: k - 1, innerLearningRate, rematerialize: false },
            pairs,
            1,
          ),
        constant: 1,
        slope: -2 * (k - 1),
      },
      {
        name: 'first-order MAML',
        at: (innerLearningRate) =>
          metaGradient(
            engine,
            { name: 'maml', order: 'first', innerSteps: k - 1, innerLearningRate, rematerialize: false },
            pairs,
            1,
          ),
        constant: 1,
        slope: -(k - 1),
      },
      {
        name: 'Reptile',
        at: async (innerLearningRate) => {
          const spec = {
            name: 'reptile',
            innerSteps: k,
            innerLearningRate,
            innerBatchSize: 1,
            innerOptimizer: { name: 'sgd' },
          } as const;
          return scale(await metaGradient(engine, spec, triples, 1), 1 / innerLearningRate);
        },
        constant: k,
        slope: -(k * (k - 1)) / 2,
      },
    ];

    for (const { name, at, constant, slope } of estimators) {
      it(`${name}: ${constant}·AvgGrad − ${-slope}α·AvgGradInner`, async () => {
        // A squared error of a linear model makes the meta-gradient a polynomial of α, of degree 2(k − 1) = 4 at most, so this one-sided
        // difference over five values is its exact slope at 0, but for rounding: 1e-7 · 48 / 12h, some 1e-5 of the gradient.
        const h = 0.02;
        const values = await Promise.all([1, 2, 3, 4].map((step) => at(step * h)));
        const weights = [48, -36, 16, -3];
        const atZero = scale(avgGrad, constant);
        const difference = values.map((value, index) => scale(value, weights[index]!)).reduce(add, scale(atZero, -25));
        assertClose(scale(difference, 1 / (12 * h)), scale(avgGradInner, slope), 1e-3);
      });
    }
  });

  describe('Reptile', () => {
    const spec = {
      name: 'reptile',
      innerSteps: 5,
      innerLearningRate: 0.05,
      innerBatchSize: 3,
      innerOptimizer: { name: 'adam', beta1: 0, beta2: 0.99, epsilon: 1e-8 },
    };

    for (const beta1 of [0, 0.9]) {
      it(`with Adam, β₁ = ${beta1}, takes mini-batches in turn, over the end of the task, and returns θ − φ`, async () => {
        const actual = await metaGradient(
          engine,
          { ...spec, innerOptimizer: { name: 'adam', beta1, beta2: 0.99, epsilon: 1e-8 } },
          [points],
          1,
        );
        let params = start;
        let [m, v]: [Pair, Pair] = [
          [0, 0],
          [0, 0],
        ];
        for (let step = 1; step <= 5; step++) {
          const batch = [0, 1, 2].map((index) => points[((step - 1) * 3 + index) % points.length]!);
          const gradient = mean(batch.map((point) => gradientAt(params, point)));
          m = add(scale(m, beta1), scale(gradient, 1 - beta1));
          v = add(scale(v, 0.99), scale([gradient[0] ** 2, gradient[1] ** 2], 0.01));
          const move = (index: 0 | 1) =>
            (-0.05 * (m[index] / (1 - beta1 ** step))) / (Math.sqrt(v[index] / (1 - 0.99 ** step)) + 1e-8);
          params = add(params, [move(0), move(1)]);
        }
        // float32 over five steps
        assertClose(actual, add(start, scale(params, -1)), 1e-5);
      });
    }
  });

  it('MAML of first order leaves out exactly the term −α·H_support·∇L_query', async () => {
    const alpha = 0.1;
    const task = [[points[0]!, points[1]!]];
    const spec = { name: 'maml', innerSteps: 1, innerLearningRate: alpha, rematerialize: false } as const;
    const first = await metaGradient(engine, { ...spec, order: 'first' }, task, 1);
    const second = await metaGradient(engine, { ...spec, order: 'second' }, task, 1);
    const adapted = add(start, scale(gradientAt(start, points[0]!), -alpha));
    const query = gradientAt(adapted, points[1]!);
    assertClose(first, query, 1e-6);
    assertClose(add(second, scale(first, -1)), scale(curvature(points[0]!, query), -alpha), 1e-5);
  });
});
