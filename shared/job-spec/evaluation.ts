// The `evaluation` section: how often, and on which tasks, the meta-parameters are tested.
import { z } from 'zod';
import type { TaskSection } from './sections.ts';

export const evaluationSchema = z.strictObject({
  /** Evaluate every so many meta-steps; 0 means only at the end. */
  every: z.int().min(0).default(0),
  /** Tasks of one evaluation. */
  tasks: z.int().min(2).max(1_000_000).default(600),
  /** Inner steps of adaptation; losses are reported after 0, 1, …, innerSteps. */
  innerSteps: z.int().min(1).max(1000).default(10),
  /**
   * Also measures, layer by layer, how far adaptation moves the model's parameters and how similar
   * its outputs stay. Takes two more passes through the model.
   */
  insight: z.boolean().default(false),
  /**
   * At the end, also tests so many checkpoints together on the test split: those whose evaluations
   * were best, which are then on the validation split. Default: none.
   */
  ensemble: z.int().min(2).max(100).optional(),
  split: z.enum(['validation', 'test']).default('test'),
});

export interface EvaluationSpec extends z.infer<typeof evaluationSchema> {
  /** What evaluations draw their tasks from. Default: the job's own tasks. */
  readonly task?: TaskSection | undefined;
}
