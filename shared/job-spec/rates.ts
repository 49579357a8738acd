// Checks the meta-learning rates that a schedule computes from the optimizer's rate: two valid
// fields can have an invalid product.
import { scheduleFactor } from '../learning-rate.ts';
import type { FieldProblem } from './explain.ts';
import { isPositiveFloat32 } from './fields.ts';
import type { MetaSpec } from './meta.ts';

/** Every schedule rises or falls throughout, so its first and last rates bound all others. */
export function rateProblems({ optimizer, schedule, iterations }: MetaSpec): FieldProblem[] {
  const rateAt = (step: number) => optimizer.learningRate * scheduleFactor(schedule, step, iterations);
  const step = [0, iterations - 1].find((at) => !isPositiveFloat32(rateAt(at)));
  if (step === undefined) return [];
  const got = `a meta-learning rate of ${rateAt(step)} at meta-step ${step}`;
  return [{ field: 'meta.schedule', got, accepted: 'a schedule whose rates are above 0 and finite in float32' }];
}
