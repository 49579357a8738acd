// The `algorithm` section: how one task's meta-gradient is computed. One schema an algorithm.
import { z } from 'zod';
import { fraction, positive } from './fields.ts';

const innerSteps = z.int().min(1).max(1000);

/** Finn et al. 2017, algorithm 1; `first` drops the second derivatives (§5.2). */
export const mamlAlgorithm = z.strictObject({
  name: z.literal('maml'),
  order: z.enum(['first', 'second']).default('second'),
  innerSteps: innerSteps.default(1),
  innerLearningRate: positive.default(0.01),
  /** With `order: second`: compute each inner step again for its gradient instead of keeping it. Less memory, more time, equal numbers to rounding. */
  rematerialize: z.boolean().default(false),
});

/** Nichol et al. 2018, algorithm 2 (the batched version): the meta-gradient of a task is θ − φ. */
export const reptileAlgorithm = z.strictObject({
  name: z.literal('reptile'),
  /** Inner steps in training, on the support and query sets together. */
  innerSteps: innerSteps.default(5),
  innerLearningRate: positive.default(0.02),
  /** Examples of one inner step, taken in turn from the task; absent means all. */
  innerBatchSize: z.int().min(1).optional(),
  innerOptimizer: z
    .discriminatedUnion('name', [
      z.strictObject({ name: z.literal('sgd') }),
      z.strictObject({
        name: z.literal('adam'),
        beta1: fraction.default(0),
        beta2: fraction.default(0.999),
        epsilon: positive.default(1e-8),
      }),
    ])
    .default({ name: 'sgd' }),
});

export const algorithmSchema = z.discriminatedUnion('name', [mamlAlgorithm, reptileAlgorithm]);

export type AlgorithmSpec = z.infer<typeof algorithmSchema>;
export type MamlAlgorithmSpec = z.infer<typeof mamlAlgorithm>;
export type ReptileAlgorithmSpec = z.infer<typeof reptileAlgorithm>;
