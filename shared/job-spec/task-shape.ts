// What a job's tasks look like to a model: a function of the job file alone, so that whoever reads the
// file knows how large the job is.
import { isClassification, type TaskSpec } from './task.ts';

export interface TaskShape {
  readonly kind: 'regression' | 'classification';
  /** Of one example's input, without the batch axis. */
  readonly input: readonly number[];
  /** Length of one example's target: the regressed values, or the classes in one-hot code. */
  readonly outputs: number;
  readonly supportExamples: number;
  readonly queryExamples: number;
}

/** Pixels of an Omniglot image's side, as Vinyals et al. 2016 scale it. */
export const omniglotSide = 28;

export function taskShapeOf(task: TaskSpec & { readonly queries: number }): TaskShape {
  const kind = isClassification(task) ? 'classification' : 'regression';
  switch (task.distribution) {
    case 'sinusoid':
      return { kind, input: [1], outputs: 1, supportExamples: task.shots, queryExamples: task.queries };
    case 'omniglot': {
      const { ways, shots, queries } = task;
      return {
        kind,
        input: [omniglotSide, omniglotSide, 1],
        outputs: ways,
        supportExamples: ways * shots,
        queryExamples: ways * queries,
      };
    }
    default:
      return task satisfies never;
  }
}
