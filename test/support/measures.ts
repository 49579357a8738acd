// Measures for tests: heads of small jobs, rows, and the results of an evaluation.
import {
  type Estimate,
  type Measure,
  type MeasureHead,
  type MeasureRows,
  measureOf,
  noAxis,
} from '../../shared/measures.ts';

const loss = { name: 'loss', better: 'lower' } as const;
const accuracy = { name: 'accuracy', better: 'higher', range: [0, 1], unit: '%' } as const;

const alongInnerSteps = (innerSteps: number) => ({
  axis: 'inner step',
  points: Array.from({ length: innerSteps + 1 }, (_, step) => String(step)),
});

/** The training measures of a regression and of a classification. */
export const lossHeads: readonly MeasureHead[] = [{ ...loss, ...noAxis }];
export const accuracyHeads: readonly MeasureHead[] = [...lossHeads, { ...accuracy, ...noAxis }];

/** The measures of evaluating a classification. A regression has the first only. */
export const evaluateHeads = (innerSteps: number): readonly [MeasureHead, MeasureHead] => [
  { ...loss, ...alongInnerSteps(innerSteps) },
  { ...accuracy, ...alongInnerSteps(innerSteps) },
];

/** @param accuracies empty for a regression. */
export const rowsOf = (losses: readonly number[], accuracies: readonly number[] = []): MeasureRows[] => [
  { name: 'loss', values: losses },
  ...(accuracies.length > 0 ? [{ name: 'accuracy', values: accuracies }] : []),
];

/** Rows as wire messages, whose lists are mutable. */
export const rowMessages = (...rows: Parameters<typeof rowsOf>) =>
  rowsOf(...rows).map(({ name, values }) => ({ name, values: [...values] }));

/** An evaluation's loss after 0, 1, … inner steps. */
export const lossMeasure = (estimates: readonly Estimate[], title = 'mean squared error'): Measure =>
  measureOf({ ...loss, title, ...alongInnerSteps(estimates.length - 1) }, estimates);

/** An evaluation's accuracy after 0, 1, … inner steps. */
export const accuracyMeasure = (estimates: readonly Estimate[]): Measure =>
  measureOf({ ...accuracy, ...alongInnerSteps(estimates.length - 1) }, estimates);

/** Measures of training. */
export const trainValues = (lossValue: number, accuracyValue?: number) => [
  { name: 'loss', value: lossValue, unit: '' as const },
  ...(accuracyValue === undefined ? [] : [{ name: 'accuracy', value: accuracyValue, unit: '%' as const }]),
];
