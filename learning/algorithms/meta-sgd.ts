// Meta-SGD: MAML that learns its inner learning rates too, one for each element of each parameter, sign and
// all. φᵢ₊₁ = φᵢ − α ∘ ∇L_support(φᵢ); the meta-gradient is ∇_{θ,α} L_query(φ_k) (Li, Zhou, Chen & Li 2017,
// equations 2 and 4; the paper takes one step). α is in θ as `rate.NAME`, first `innerLearningRate`
// everywhere, where the paper draws it from [0.005, 0.1].
import { z } from 'zod';
import { constant } from '../kit/initializers.ts';
import { gradientAdaptation, innerLoopFields } from '../kit/inner-loop.ts';
import { supportNeeded, supportNeededCel } from '../kit/needs.ts';
import { defineAlgorithm } from '../part.ts';

const rateOf = (name: string): string => `rate.${name}`;

export const metaSgd = defineAlgorithm({
  name: 'meta-sgd',
  title: 'Meta-SGD',
  summary: 'MAML with a learned inner learning rate for each element of each parameter',
  paper: 'Li, Zhou, Chen & Li 2017',
  schema: z.strictObject({
    innerSteps: innerLoopFields.innerSteps,
    /** The first value of every rate. */
    innerLearningRate: innerLoopFields.innerLearningRate,
  }),
  variants: {
    'one step': { innerLearningRate: 0.1 },
    'two steps': { innerSteps: 2, innerLearningRate: 0.1 },
  },
  describe: () => 'Meta-SGD',
  needs: supportNeeded,
  parameters: ({ innerLearningRate }, model) => [
    ...model,
    ...model.map(({ name, shape }) => ({
      name: rateOf(name),
      shape,
      initialize: constant(innerLearningRate),
      group: 'rates',
    })),
  ],
  passes: ({ innerSteps }) => innerSteps,
  cel: ({ innerSteps }, { task }) => ({
    needs: supportNeededCel(task),
    parameters: ({ body, head }) => `2 * (${body} + ${head})`,
    groups: ['model', 'rates'],
    passes: innerSteps,
  }),
  build: ({ innerSteps }, kit) =>
    gradientAdaptation(kit, {
      order: 'second',
      innerSteps,
      innerOptimizer: { name: 'sgd' },
      rate: (name, params) => params[rateOf(name)]!,
    }),
});
