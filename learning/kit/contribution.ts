// Adding up what a procedure has computed for each of its tasks: in task order, in float32, and without the
// tasks whose numbers are not finite, as the one-program case does it.
import type { Contribution, NamedArrays } from '../built.ts';

export interface TaskContributions {
  readonly taskCount: number;
  /** By parameter, stacked: row-major [taskCount, …shape]. */
  readonly contributions: NamedArrays;
  /** By name, one value a task. */
  readonly measures: NamedArrays;
  /** Measures that are infinite or NaN only where a task has diverged: such a task is left out. Default: `loss`. */
  readonly finiteMeasures?: readonly string[];
}

/** A task is left out when a number of it is not finite, or when adding it takes the sum out of float32's range. */
export function sumOfTasks(tasks: TaskContributions): Contribution {
  const { taskCount, contributions, measures, finiteMeasures = ['loss'] } = tasks;
  const names = Object.keys(contributions);
  let sum: NamedArrays = Object.fromEntries(
    names.map((name) => [name, new Float32Array(contributions[name]!.length / taskCount)]),
  );
  const nonFiniteTasks: number[] = [];
  for (let task = 0; task < taskCount; task++) {
    const isMeasured = finiteMeasures.every((name) => Number.isFinite(measures[name]?.[task] ?? 0));
    const next = Object.fromEntries(
      names.map((name) => [
        name,
        sum[name]!.map((value, i) => value + rowOf(contributions[name]!, task, taskCount)[i]!),
      ]),
    );
    if (isMeasured && Object.values(next).every((values) => values.every(Number.isFinite))) sum = next;
    else nonFiniteTasks.push(task);
  }
  return { vector: sum, weight: taskCount - nonFiniteTasks.length, measures, nonFiniteTasks };
}

/** One task's part of a stacked array: a view. */
export function rowOf(array: Float32Array, task: number, taskCount: number): Float32Array {
  const size = array.length / taskCount;
  return array.subarray(task * size, (task + 1) * size);
}

/** An array for each of `taskCount` tasks, stacked, as a task's first state. */
export function repeated(arrays: NamedArrays, taskCount: number): NamedArrays {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, array]) => {
      const stacked = new Float32Array(taskCount * array.length);
      for (let task = 0; task < taskCount; task++) stacked.set(array, task * array.length);
      return [name, stacked];
    }),
  );
}
