// Model-agnostic meta-learning. φ₀ = θ, φᵢ₊₁ = φᵢ − α·∇L_support(φᵢ); the meta-gradient is ∇_θ L_query(φ_k)
// (Finn et al. 2017, algorithm 1 and equation 1). `order: first` takes ∇_φ L_query(φ_k) instead, that is,
// treats every inner gradient as a constant (§5.2).
// `innerOptimizer: adam` puts Adam's step into the place of α·∇L, and the meta-gradient goes through it.
import { z } from 'zod';
import { adaptationOf, innerLoopFields } from '../kit/inner-loop.ts';
import { supportNeeded, supportNeededCel } from '../kit/needs.ts';
import { defineAlgorithm } from '../part.ts';

export const maml = defineAlgorithm({
  name: 'maml',
  title: 'MAML',
  summary: 'learns a start from which a few gradient steps adapt every parameter to a task',
  paper: 'Finn, Abbeel & Levine 2017',
  schema: z.strictObject({
    ...innerLoopFields,
    /** With `order: second`: compute each inner step again for its gradient instead of keeping it. Less memory, more time, equal numbers to rounding. */
    rematerialize: z.boolean().default(false),
  }),
  variants: {
    'second order': { innerSteps: 2, innerLearningRate: 0.1 },
    'second order, rematerialized': { innerSteps: 2, innerLearningRate: 0.1, rematerialize: true },
    // with a large ε: a small one makes steps of ±α, whose jumps no finite difference can follow
    'second order, Adam': { innerSteps: 2, innerLearningRate: 0.05, innerOptimizer: { name: 'adam', epsilon: 0.5 } },
    'second order, Adam, rematerialized': {
      innerSteps: 2,
      innerLearningRate: 0.05,
      innerOptimizer: { name: 'adam', beta1: 0, beta2: 0.9, epsilon: 0.5 },
      rematerialize: true,
    },
    'first order': { order: 'first', innerSteps: 2, innerLearningRate: 0.1 },
  },
  describe: ({ order }) => (order ? `${order}-order MAML` : 'MAML'),
  needs: supportNeeded,
  check({ order, rematerialize }) {
    if (!rematerialize || order === 'second') return [];
    const accepted = 'false with algorithm.order first, which keeps nothing of the inner loop';
    return [{ field: 'algorithm.rematerialize', got: 'true', accepted }];
  },
  passes: ({ innerSteps }) => innerSteps,
  cel: ({ order, rematerialize, innerSteps }, { task }) => ({
    needs: supportNeededCel(task),
    check: [
      {
        rule: `!${rematerialize} || ${order} == 'second'`,
        message: 'algorithm.rematerialize: accepted: false with algorithm.order first',
      },
    ],
    passes: innerSteps,
  }),
  build: (spec, kit) => adaptationOf(kit, spec),
});
