// Model-agnostic meta-learning. φ₀ = θ, φᵢ₊₁ = φᵢ − α·∇L_support(φᵢ); the meta-gradient is ∇_θ L_query(φ_k)
// (Finn et al. 2017, algorithm 1 and equation 1). `order: first` takes ∇_φ L_query(φ_k) instead, that is,
// treats every inner gradient as a constant (§5.2).
import { z } from 'zod';
import { positive } from '../../shared/job-spec/fields.ts';
import type { NamedTensors } from '../built.ts';
import { innerSteps } from '../kit/fields.ts';
import type { Examples } from '../kit/gradients.ts';
import { after } from '../kit/sequence.ts';
import { defineAlgorithm } from '../part.ts';

export const maml = defineAlgorithm({
  name: 'maml',
  title: 'MAML',
  summary: 'learns a start from which a few gradient steps adapt every parameter to a task',
  paper: 'Finn, Abbeel & Levine 2017',
  schema: z.strictObject({
    order: z.enum(['first', 'second']).default('second'),
    innerSteps: innerSteps.default(1),
    innerLearningRate: positive.default(0.01),
    /** With `order: second`: compute each inner step again for its gradient instead of keeping it. Less memory, more time, equal numbers to rounding. */
    rematerialize: z.boolean().default(false),
  }),
  variants: {
    'second order': { innerSteps: 2, innerLearningRate: 0.1 },
    'second order, rematerialized': { innerSteps: 2, innerLearningRate: 0.1, rematerialize: true },
    'first order': { order: 'first', innerSteps: 2, innerLearningRate: 0.1 },
  },
  describe: ({ order }) => (order ? `${order}-order MAML` : 'MAML'),
  needs: (task) => (task.sets.includes('support') ? undefined : 'tasks with a support set'),
  check({ order, rematerialize }) {
    if (!rematerialize || order === 'second') return [];
    const accepted = 'false with algorithm.order first, which keeps nothing of the inner loop';
    return [{ field: 'algorithm.rematerialize', got: 'true', accepted }];
  },
  passes: ({ innerSteps }) => innerSteps,
  build(spec, kit) {
    const { tf, model, mapParams } = kit;
    const { order, innerSteps, innerLearningRate } = spec;
    const step = (params: NamedTensors, support: Examples): NamedTensors => {
      const gradients = kit.gradientsOf(params, support);
      return mapParams(params, (name, value) => tf.sub(value, tf.mul(gradients[name]!, innerLearningRate)));
    };
    function* descend(start: NamedTensors, task: NamedTensors): Iterable<NamedTensors> {
      const support = kit.supportSet(task);
      for (let params = start; ; ) {
        params = spec.rematerialize ? kit.withoutKeeping(step, params, support) : step(params, support);
        yield params;
      }
    }
    return {
      *adapt(theta, task) {
        yield theta;
        yield* descend(theta, task);
      },
      predict: (_theta, state, inputs) => model.predict(state, inputs),
      train(theta, task) {
        const query = kit.querySet(task);
        const adapted = (params: NamedTensors) => after(innerSteps, descend(params, task), params);
        const { loss, predictions, gradients } =
          order === 'second'
            ? kit.differentiate(theta, adapted, query)
            : kit.differentiate(adapted(theta), (params) => params, query);
        return kit.outputs(gradients, loss, predictions, query.targets);
      },
    };
  },
});
