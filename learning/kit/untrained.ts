// What a baseline that learns nothing across tasks is made of: a θ that keeps its first values, and
// a job of one meta-step, which changes nothing. Such a job is its evaluation.
import type { FieldProblem } from '../../shared/job-spec/explain.ts';
import type { CelRule } from '../cel.ts';
import type { Parameter } from '../facts.ts';
import type { CheckedJob } from '../part.ts';

/** The parameters with the first values that they keep. */
export const kept = (parameters: readonly Parameter[]): readonly Parameter[] =>
  parameters.map((parameter) => ({ ...parameter, update: 'fixed' }));

/** More meta-steps would be work without an effect. */
export function oneMetaStep({ spec: { meta } }: CheckedJob): readonly FieldProblem[] {
  if (meta.iterations === 1) return [];
  const accepted = '1, as nothing is learned across tasks and only the evaluation counts';
  return [{ field: 'meta.iterations', got: String(meta.iterations), accepted }];
}

export const oneMetaStepCel: CelRule = {
  rule: 'self.meta.iterations == 1',
  message: 'meta.iterations: accepted: 1, as nothing is learned across tasks and only the evaluation counts',
};
