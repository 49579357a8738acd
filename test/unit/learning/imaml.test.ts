// iMAML on linear regression ŷ = w·x + b with squared error, where the minimum of the proximal objective and the
// implicit gradient are known in closed form; and its conjugate gradients on a network.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Tasks } from '../../../learning/tasks.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { buildJob, trainerOf, workContext } from '../../../worker/learning/open.ts';
import { dot, jobOf, norm, openParts, relativeError, trainOnTasks } from './small-jobs.ts';

type Pair = readonly [number, number];
/** [[a, b], [b, c]] */
type Symmetric = readonly [a: number, b: number, c: number];

/** Each task: its support points, then its query points. */
const tasks = [
  { support: [[1, 0.5], [-0.5, 1]], query: [[0.8, -1], [-1.2, 0.3]] },
  { support: [[0.3, -0.7], [1.5, 2]], query: [[-1, 1.1], [0.4, 0.6]] },
] as const; // biome-ignore format: points
const start: Pair = [0.7, -0.2];

const solve = ([a, b, c]: Symmetric, [u, v]: Pair): Pair => {
  const determinant = a * c - b * b;
  return [(c * u - b * v) / determinant, (a * v - b * u) / determinant];
};

/** Of the mean of (w·x + b − y)². */
const hessian = (points: readonly Pair[]): Symmetric => {
  const mean = (f: (point: Pair) => number) => points.reduce((sum, point) => sum + f(point), 0) / points.length;
  return [2 * mean(([x]) => x * x), 2 * mean(([x]) => x), 2];
};
const gradient = (points: readonly Pair[], [w, b]: Pair): Pair => {
  const mean = (f: (point: Pair) => number) => points.reduce((sum, point) => sum + f(point), 0) / points.length;
  return [2 * mean(([x, y]) => x * (w * x + b - y)), 2 * mean(([x, y]) => w * x + b - y)];
};

/** φ* with ∇L(φ*) + λ(φ* − θ) = 0, and (I + H/λ)⁻¹ ∇L_query(φ*), δ added to I. */
function implicitGradient(task: (typeof tasks)[number], lambda: number, damping: number): Pair {
  const [a, b, c] = hessian(task.support);
  const atZero = gradient(task.support, [0, 0]);
  const rightSide: Pair = [lambda * start[0] - atZero[0], lambda * start[1] - atZero[1]];
  const adapted = solve([a + lambda, b, c + lambda], rightSide);
  const identity = 1 + damping;
  return solve([identity + a / lambda, b / lambda, identity + c / lambda], gradient(task.query, adapted));
}

describe('iMAML', () => {
  let engine: Engine;
  before(async () => {
    engine = await createEngine({ engine: 'compiled', device: 'cpu' });
  });
  after(() => engine.close());

  async function metaGradients(algorithm: object): Promise<Float32Array> {
    const task = { distribution: 'sinusoid', shots: 2, queries: 2 };
    const job = jobOf(task, { architecture: 'mlp', hiddenLayers: [] }, { name: 'imaml', ...algorithm });
    const drawn = {
      sample(_split, index, arrays) {
        for (const set of ['support', 'query'] as const) {
          arrays[`${set}Inputs`]!.set(tasks[index]![set].map(([x]) => x));
          arrays[`${set}Targets`]!.set(tasks[index]![set].map(([, y]) => y));
        }
      },
    } as Pick<Tasks, 'sample'> as Tasks;
    const context = workContext(job, drawn, engine);
    const trainer = trainerOf(context, buildJob(job));
    const theta = viewsOf(context.layout, Float32Array.from(start));
    const { metaGradientSum } = await trainer.train(theta, { metaStep: 0, firstTask: 0, taskCount: tasks.length });
    await trainer.close();
    return metaGradientSum;
  }

  for (const [proximalStrength, damping] of [
    [0.5, 0],
    [2, 0],
    [2, 0.7],
  ] as const) {
    it(`gives the analytic implicit gradient with λ = ${proximalStrength} and δ = ${damping}`, async () => {
      // curvatures are below 6, so steps of 0.2 converge, and two conjugate gradient steps solve two unknowns
      const solver = { innerSteps: 400, innerLearningRate: 0.2, conjugateGradientSteps: 2 };
      const actual = await metaGradients({ ...solver, proximalStrength, damping });
      const analytic = tasks.map((task) => implicitGradient(task, proximalStrength, damping));
      const expected = [0, 1].map((at) => analytic.reduce((sum, pair) => sum + pair[at as 0 | 1]!, 0));
      assert.ok(relativeError(actual, expected) < 1e-5, `got ${actual}; expected ${expected}`);
      const one = await metaGradients({ ...solver, proximalStrength, damping, conjugateGradientSteps: 1 });
      assert.ok(relativeError(one, expected) > 1e-2, 'one step is not enough');
    });
  }

  it('comes nearer to the solution with every conjugate gradient step, and stays there', async () => {
    const model = { architecture: 'mlp', hiddenLayers: [6], activation: 'tanh' };
    const at = async (conjugateGradientSteps: number) => {
      const algorithm = { name: 'imaml', innerSteps: 10, innerLearningRate: 0.01, proximalStrength: 20, conjugateGradientSteps }; // biome-ignore format: one line
      const parts = await openParts(jobOf({ distribution: 'sinusoid', shots: 5 }, model, algorithm), '');
      return (await trainOnTasks(engine, parts, parts.metaParams)).sum;
    };
    const solution = await at(60);
    const errors = await Promise.all([1, 2, 3, 5, 8].map(async (steps) => relativeError(await at(steps), solution)));
    for (const [i, error] of errors.entries()) {
      assert.ok(error < (errors[i - 1] ?? 1), `errors by steps: ${errors.join(', ')}`);
    }
    assert.ok(errors.at(-1)! < 1e-2 && norm(solution) > 0 && Number.isFinite(dot(solution, solution)));
  });
});
