// The `task` section: which task distribution, and the shape of its tasks. One schema a distribution.
import { z } from 'zod';
import { count, finite } from './fields.ts';

/** y = A·sin(x − φ). Finn et al. 2017, §5.1. */
export const sinusoidTask = z.strictObject({
  distribution: z.literal('sinusoid'),
  /** Support points a task. */
  shots: count.default(5),
  /** Query points a task; defaults to `shots`. */
  queries: count.optional(),
  /** Range of A. */
  amplitude: z.tuple([finite, finite]).default([0.1, 5]),
  /** Range of φ, radians. */
  phase: z.tuple([finite, finite]).default([0, Math.PI]),
  /** Range of x. */
  input: z.tuple([finite, finite]).default([-5, 5]),
});

const alphabets = z.array(z.string().min(1)).min(1);

/** Lake et al. 2015, with the split and rotations of Vinyals et al. 2016 and Finn et al. 2017. */
export const omniglotTask = z.strictObject({
  distribution: z.literal('omniglot'),
  ways: z.int().min(2).max(1000).default(5),
  /** Support images a class; an Omniglot class has 20 images, so shots + queries ≤ 20. */
  shots: z.int().min(1).max(19).default(1),
  /** Query images a class. */
  queries: z.int().min(1).max(19).default(15),
  /** `full`: both official sets, 1,623 characters. `small`: the two small background sets. `auto`: full where it is found, else small. */
  dataSet: z.enum(['auto', 'full', 'small']).default('auto'),
  /** Rotations by 90°, 180° and 270° count as classes of their own. */
  rotations: z.boolean().default(true),
  /** Alphabets of the training and test splits, in the place of the fixed split. */
  alphabets: z.strictObject({ train: alphabets, validation: alphabets.optional(), test: alphabets }).optional(),
});

export const taskSchema = z.discriminatedUnion('distribution', [sinusoidTask, omniglotTask]);

export type TaskSpec = z.infer<typeof taskSchema>;
export type SinusoidTaskSpec = z.infer<typeof sinusoidTask>;
export type OmniglotTaskSpec = z.infer<typeof omniglotTask>;

export const isClassification = (task: TaskSpec): boolean => task.distribution !== 'sinusoid';
