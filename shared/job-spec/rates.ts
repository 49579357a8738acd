// Checks the meta-learning rates that a schedule computes from the optimizer's rate: two valid
// fields can have an invalid product.
import { scheduleFactor } from '../learning-rate.ts';
import type { FieldProblem } from './explain.ts';
import { isPositiveFloat32 } from './fields.ts';
import type { MetaSpec } from './meta.ts';

/** Every schedule rises or falls throughout, so its first and last rates bound all others. */
export function rateProblems({ optimizer, schedule, iterations, groups = {} }: MetaSpec): FieldProblem[] {
  const rates = [
    { of: '', learningRate: optimizer.learningRate },
    ...Object.entries(groups).flatMap(([group, { learningRate }]) =>
      learningRate === undefined ? [] : [{ of: ` of group ${group}`, learningRate }],
    ),
  ];
  for (const { of, learningRate } of rates) {
    const rateAt = (step: number) => learningRate * scheduleFactor(schedule, step, iterations);
    const step = [0, iterations - 1].find((at) => !isPositiveFloat32(rateAt(at)));
    if (step === undefined) continue;
    const got = `a meta-learning rate${of} of ${rateAt(step)} at meta-step ${step}`;
    return [{ field: 'meta.schedule', got, accepted: 'a schedule whose rates are above 0 and finite in float32' }];
  }
  return [];
}
