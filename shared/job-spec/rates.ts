// The meta-learning rates that a schedule makes of the optimizer's rate: each field may be right and
// their product not.
import { scheduleFactor } from '../learning-rate.ts';
import type { FieldProblem } from './explain.ts';
import { isPositiveFloat32 } from './fields.ts';
import type { MetaSpec } from './meta.ts';

/** Every schedule rises or falls throughout, so its first and its last rate bound all others. */
export function rateProblems({ optimizer, schedule, iterations }: MetaSpec): FieldProblem[] {
  const rateAt = (step: number) => optimizer.learningRate * scheduleFactor(schedule, step, iterations);
  const step = [0, iterations - 1].find((at) => !isPositiveFloat32(rateAt(at)));
  if (step === undefined) return [];
  const got = `a meta-learning rate of ${rateAt(step)} at meta-step ${step}`;
  return [{ field: 'meta.schedule', got, accepted: 'a schedule whose rates are above 0 and finite in float32' }];
}
