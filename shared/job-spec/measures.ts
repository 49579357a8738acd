// The measures of a job, as its file says them: the one place that knows which there are.
import { type MeasureHead, noAxis } from '../measures.ts';
import type { EvaluationSpec } from './evaluation.ts';
import { isClassification, type TaskSpec } from './task.ts';

export interface JobMeasures {
  /** After adaptation, on the query set: one value a task. The first is the one that is minimised. */
  readonly train: readonly MeasureHead[];
  /** On the query set, by inner step. The first as in training. */
  readonly evaluate: readonly MeasureHead[];
}

/** @param spec every default filled in. */
export function measuresOf(spec: {
  readonly task: TaskSpec;
  readonly evaluation: Pick<EvaluationSpec, 'innerSteps'>;
}): JobMeasures {
  const kinds = kindsOf(spec.task);
  const points = Array.from({ length: spec.evaluation.innerSteps + 1 }, (_, step) => String(step));
  return {
    train: kinds.map((kind) => ({ ...kind, ...noAxis })),
    evaluate: kinds.map((kind) => ({ ...kind, axis: 'inner step', points })),
  };
}

function kindsOf(task: TaskSpec): Omit<MeasureHead, 'axis' | 'points'>[] {
  if (!isClassification(task)) return [{ name: 'loss', title: 'mean squared error', better: 'lower' }];
  return [
    { name: 'loss', better: 'lower' },
    { name: 'accuracy', better: 'higher', range: [0, 1], unit: '%' },
  ];
}
