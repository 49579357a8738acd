// Chooses which of many records to drop when only some can be kept, so that the kept ones span the
// whole job evenly. Pure.
import type { EvaluationRecord } from './job-record.ts';

/**
 * The place where ascending numbers are closest, the oldest of several. Removing that number again
 * and again leaves the others evenly spread.
 *
 * @param spared how many of the newest are never chosen. The first number is never chosen either.
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

/** Most evaluations in a record. */
const maxEvaluations = 200;
/**
 * Most estimates of them all, unless the newest evaluation alone has more. 200 evaluations of two
 * measures with 11 points each have 4,400.
 */
const maxEstimates = 10_000;

export const estimatesIn = (evaluations: readonly EvaluationRecord[]): number =>
  evaluations.reduce((sum, { measures }) => measures.reduce((inner, { points }) => inner + points.length, sum), 0);

/**
 * A record's evaluations: the newest complete, and as many of the earlier ones as fit, evenly
 * spread.
 */
export function keptEvaluations(evaluations: readonly EvaluationRecord[]): EvaluationRecord[] {
  const kept = [...evaluations];
  while (kept.length > 1 && (kept.length > maxEvaluations || estimatesIn(kept) > maxEstimates)) {
    const steps = kept.map(({ step }) => step);
    kept.splice(kept.length === 2 ? 0 : densest(steps, 1), 1);
  }
  return kept;
}
