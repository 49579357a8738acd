// Implicit MAML. A task is adapted to by minimising G(φ) = L_support(φ) + λ/2·‖φ − θ‖² from θ, here by k gradient
// steps. At its minimum dφ/dθ = (I + H/λ)⁻¹ with H = ∇²L_support(φ), so the meta-gradient does not depend on the
// way there: (I + H/λ)·g = ∇L_query(φ), solved for g by conjugate gradients, of which each step is one product of
// H with a vector (Rajeswaran, Finn, Kakade & Levine 2019, equations 3 and 6 and algorithm 2).
// Gradient step and product are programs that are called in a loop, so neither the steps' number nor that of the
// products makes a program larger. Damping δ replaces I by (1 + δ)·I: for losses whose H has eigenvalues below −λ.
import { z } from 'zod';
import { finite, positive } from '../../shared/job-spec/fields.ts';
import type { NamedArrays, NamedTensors, RunProgram } from '../built.ts';
import { repeated, rowOf, sumOfTasks } from '../kit/contribution.ts';
import { innerSteps } from '../kit/fields.ts';
import type { Examples } from '../kit/gradients.ts';
import { supportNeeded, supportNeededCel } from '../kit/needs.ts';
import { withoutPrefix, withPrefix } from '../kit/prefix.ts';
import { defineAlgorithm } from '../part.ts';

export const imaml = defineAlgorithm({
  name: 'imaml',
  title: 'iMAML',
  summary: 'learns a start that adaptation stays near to, with a meta-gradient that forgets the way of adaptation',
  paper: 'Rajeswaran, Finn, Kakade & Levine 2019',
  schema: z.strictObject({
    innerSteps: innerSteps.default(16),
    innerLearningRate: positive.default(0.01),
    /** λ: how strongly adaptation is drawn to the start. */
    proximalStrength: positive.default(2),
    /** At most; a task whose equation is solved, or which has met a negative curvature, takes no more. */
    conjugateGradientSteps: z.int().min(1).max(100).default(5),
    /** δ: added to the equation's identity. */
    damping: finite.min(0).default(0),
  }),
  variants: {
    // strong enough that eight steps reach the minimum, where the meta-gradient is the derivative of the loss
    'near the start': { innerSteps: 8, innerLearningRate: 0.00095, proximalStrength: 1000, conjugateGradientSteps: 4 },
  },
  describe: () => 'iMAML',
  needs: supportNeeded,
  // a product with H is a gradient of a gradient
  passes: () => 2,
  evaluationPasses: () => 1,
  cel: (_fields, { task }) => ({ needs: supportNeededCel(task), passes: '2', evaluationPasses: '1' }),
  build({ innerSteps, innerLearningRate, proximalStrength, conjugateGradientSteps, damping }, kit) {
    const { tf, model, mapParams } = kit;
    const shapes = Object.fromEntries(kit.parameters.map(({ name, shape }) => [name, { shape }]));
    const parametersOf = (state: NamedTensors): NamedTensors =>
      Object.fromEntries(Object.keys(shapes).map((name) => [name, state[name]!]));

    const descend = (theta: NamedTensors, params: NamedTensors, support: Examples): NamedTensors => {
      const gradients = kit.gradientsOf(params, support);
      return mapParams(params, (name, value) => {
        const pull = tf.mul(tf.sub(value, theta[name]!), proximalStrength);
        return tf.sub(value, tf.mul(tf.add(gradients[name]!, pull), innerLearningRate));
      });
    };

    /** H·v of the support loss. */
    const product = (params: NamedTensors, vector: NamedTensors, support: Examples): NamedTensors => {
      const along = (at: NamedTensors) => {
        const gradients = kit.gradientsOf(at, support);
        return tf.addN(Object.keys(shapes).map((name) => tf.sum(tf.mul(gradients[name]!, vector[name]!))));
      };
      return kit.gradientOf(along as (at: NamedTensors) => ReturnType<typeof kit.lossOf>, params);
    };

    return {
      adapt: {
        start: (theta, task) => kit.stateOf(theta, kit.supportSet(task)),
        next(theta, state, task) {
          const support = kit.supportSet(task);
          return kit.stateOf(descend(theta, parametersOf(state), support), support);
        },
      },
      predict: (_theta, state, inputs) => model.predict(state, inputs),
      train: {
        programs: {
          step: {
            inputs: withPrefix('phi.', shapes),
            compute: (theta, task) => {
              const adapted = descend(theta, withoutPrefix('phi.', task), kit.supportSet(task));
              return { sum: {}, each: withPrefix('phi.', adapted) };
            },
          },
          query: {
            inputs: withPrefix('phi.', shapes),
            compute(_theta, task) {
              const [support, query] = [kit.supportSet(task), kit.querySet(task)];
              const state = (params: NamedTensors) => kit.stateOf(params, support);
              const adapted = withoutPrefix('phi.', task);
              const { loss, predictions, gradients } = kit.differentiate(adapted, state, query);
              const { each } = kit.outputs({}, loss, predictions, query.targets);
              return {
                sum: {},
                each: {
                  ...withPrefix('gradient.', parametersOf(gradients)),
                  ...withPrefix('running.', kit.runningAfter(state(adapted), query)),
                  ...withPrefix('measure.', each),
                },
              };
            },
          },
          product: {
            inputs: { ...withPrefix('phi.', shapes), ...withPrefix('v.', shapes) },
            compute: (_theta, task) => ({
              sum: {},
              each: product(withoutPrefix('phi.', task), withoutPrefix('v.', task), kit.supportSet(task)),
            }),
          },
        },
        async shard({ theta, taskCount }, run) {
          let adapted = withPrefix('phi.', repeated(theta, taskCount));
          for (let step = 0; step < innerSteps; step++) adapted = (await run('step', { tasks: adapted })).each;
          const { each } = await run('query', { tasks: adapted });
          const times = timesMatrix(run, adapted, { proximalStrength, damping });
          const options = { taskCount, steps: conjugateGradientSteps };
          const solutions = await solved(times, withoutPrefix('gradient.', each), options);
          const contributions = { ...solutions, ...withoutPrefix('running.', each) };
          return sumOfTasks({ taskCount, contributions, measures: withoutPrefix('measure.', each) });
        },
      },
    };
  },
});

type Times = (vector: NamedArrays) => Promise<NamedArrays>;

/** v ↦ (1 + δ)·v + H·v/λ, of every task. */
function timesMatrix(
  run: RunProgram,
  adapted: NamedArrays,
  { proximalStrength, damping }: { readonly proximalStrength: number; readonly damping: number },
): Times {
  return async (vector) => {
    const { each } = await run('product', { tasks: { ...adapted, ...withPrefix('v.', vector) } });
    return Object.fromEntries(
      Object.entries(vector).map(([name, values]) => {
        const curved = each[name]!;
        return [name, values.map((value, i) => (1 + damping) * value + curved[i]! / proximalStrength)];
      }),
    );
  };
}

/**
 * The solutions of each task's own system by conjugate gradients (Hestenes & Stiefel 1952), from zero. Sums are
 * taken in float64 and in one order, so that they are the same wherever a shard is computed.
 */
async function solved(
  times: Times,
  rightSide: NamedArrays,
  { taskCount, steps }: { readonly taskCount: number; readonly steps: number },
): Promise<NamedArrays> {
  const names = Object.keys(rightSide);
  const copy = (arrays: NamedArrays) => Object.fromEntries(names.map((name) => [name, arrays[name]!.slice()]));
  const dot = (a: NamedArrays, b: NamedArrays, task: number): number => {
    let sum = 0;
    for (const name of names) {
      const [x, y] = [rowOf(a[name]!, task, taskCount), rowOf(b[name]!, task, taskCount)];
      for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
    }
    return sum;
  };
  /** a ← scale·a + factor·b */
  const combine = (task: number, a: NamedArrays, scale: number, b: NamedArrays, factor: number) => {
    for (const name of names) {
      const [x, y] = [rowOf(a[name]!, task, taskCount), rowOf(b[name]!, task, taskCount)];
      for (let i = 0; i < x.length; i++) x[i] = scale * x[i]! + factor * y[i]!;
    }
  };
  const tasks = Array.from({ length: taskCount }, (_, task) => task);
  const [solution, residual, direction] = [copy(rightSide), copy(rightSide), copy(rightSide)];
  for (const task of tasks) combine(task, solution, 0, solution, 0);
  const lengths = tasks.map((task) => dot(residual, residual, task));
  const isOpen = lengths.map((length) => length > 0);
  for (let step = 0; step < steps && isOpen.includes(true); step++) {
    const products = await times(direction);
    for (const task of tasks) {
      const length = lengths[task]!;
      const curvature = dot(direction, products, task);
      // no minimum in this direction, or nothing that is a number: what has been found so far stays
      if (!isOpen[task] || !(curvature > 0)) {
        isOpen[task] = false;
        continue;
      }
      combine(task, solution, 1, direction, length / curvature);
      combine(task, residual, 1, products, -length / curvature);
      const next = dot(residual, residual, task);
      combine(task, direction, next / length, residual, 1);
      lengths[task] = next;
      isOpen[task] = next > 0;
    }
  }
  return solution;
}
