// Our evaluation beside the published figure: the numbers, and a verdict that never claims more than they show. A verdict is about
// one inner step: does the published mean lie inside our 95 % interval, and if not, on which side.
import type { PublishedSpec } from '../../../shared/job-spec/index.ts';
import type { Estimate, Evaluation } from '../../records.ts';

/**
 * - `inside`: the published mean lies inside our 95 % interval.
 * - `better`: it does not, and ours is the better one.
 * - `overlaps`: ours is worse, but the two intervals overlap.
 * - `worse`: ours is worse, by more than the intervals explain.
 */
export type Verdict = 'inside' | 'better' | 'overlaps' | 'worse';

export interface ComparedRow {
  readonly innerSteps: number;
  readonly ours: Estimate;
  readonly published?: { readonly mean: number; readonly halfWidth95?: number };
  readonly verdict?: Verdict;
}

export interface Comparison {
  readonly metric: 'loss' | 'accuracy';
  readonly rows: readonly ComparedRow[];
  /** Inner steps that the source reports and this evaluation did not reach. */
  readonly notMeasured: readonly number[];
  readonly outcome: 'reproduced' | 'overlaps' | 'not-reproduced' | 'nothing-to-compare';
}

/** One row for every inner step that was evaluated, from 0. */
export function compare(evaluation: Evaluation, published: PublishedSpec | undefined): Comparison {
  const metric = published?.metric ?? (evaluation.accuracyByInnerStep ? 'accuracy' : 'loss');
  const ours = metric === 'accuracy' ? (evaluation.accuracyByInnerStep ?? []) : evaluation.lossByInnerStep;
  const rows = ours.map((estimate, innerSteps): ComparedRow => {
    const figure = published?.byInnerStep[innerSteps];
    if (!figure) return { innerSteps, ours: estimate };
    const { mean, halfWidth95 } = figure;
    return {
      innerSteps,
      ours: estimate,
      published: halfWidth95 === undefined ? { mean } : { mean, halfWidth95 },
      verdict: verdictOn(estimate, mean, halfWidth95 ?? 0, metric),
    };
  });
  const notMeasured = Object.keys(published?.byInnerStep ?? {})
    .map(Number)
    .filter((innerSteps) => innerSteps >= ours.length);
  const verdicts = rows.flatMap(({ verdict }) => verdict ?? []);
  return { metric, rows, notMeasured, outcome: outcomeOf(verdicts) };
}

function verdictOn(
  ours: Estimate,
  published: number,
  publishedHalfWidth: number,
  metric: 'loss' | 'accuracy',
): Verdict {
  const distance = Math.abs(ours.mean - published);
  if (distance <= ours.halfWidth95) return 'inside';
  const isBetter = metric === 'loss' ? ours.mean < published : ours.mean > published;
  if (isBetter) return 'better';
  return distance <= ours.halfWidth95 + publishedHalfWidth ? 'overlaps' : 'worse';
}

function outcomeOf(verdicts: readonly Verdict[]): Comparison['outcome'] {
  if (verdicts.length === 0) return 'nothing-to-compare';
  if (verdicts.includes('worse')) return 'not-reproduced';
  return verdicts.includes('overlaps') ? 'overlaps' : 'reproduced';
}
