// Which of many to drop where only some can be kept, so that those that stay still tell the whole job.
// Pure.
import type { EvaluationRecord } from './job-record.ts';

/**
 * Where ascending numbers stand closest, the oldest such place: taking that one away again and again
 * leaves them evenly spread.
 *
 * @param spared of the newest, not to be taken. The first never is.
 */
export function densest(numbers: readonly number[], spared: number): number {
  let best = 1;
  let closest = Number.POSITIVE_INFINITY;
  for (let i = 1; i < numbers.length - spared; i += 1) {
    const span = numbers[i + 1]! - numbers[i - 1]!;
    if (span >= closest) continue;
    closest = span;
    best = i;
  }
  return best;
}

/** Evaluations in a record. */
const maxEvaluations = 200;
/**
 * Their estimates in all, unless the newest alone has more. 200 evaluations of two measures with 11
 * points each have 4,400.
 */
const maxEstimates = 10_000;

export const estimatesIn = (evaluations: readonly EvaluationRecord[]): number =>
  evaluations.reduce((sum, { measures }) => measures.reduce((inner, { points }) => inner + points.length, sum), 0);

/**
 * Evaluations as a record keeps them: the newest whole, and of the earlier ones as many as there is
 * room for, evenly spread.
 */
export function keptEvaluations(evaluations: readonly EvaluationRecord[]): EvaluationRecord[] {
  const kept = [...evaluations];
  while (kept.length > 1 && (kept.length > maxEvaluations || estimatesIn(kept) > maxEstimates)) {
    const steps = kept.map(({ step }) => step);
    kept.splice(kept.length === 2 ? 0 : densest(steps, 1), 1);
  }
  return kept;
}
