// What a task distribution is to the rest of the worker: the shape of its tasks, and task number `index` of a split, drawn from the stream
// named by (seed, split, index) and nothing else. So any worker draws the same task, in any order.
import type { DataIdentity } from '../../../shared/data-identity.ts';
import type { TaskSpec } from '../../../shared/job-spec/task.ts';
import type { TaskShape } from '../../../shared/job-spec/task-shape.ts';
import { elementsOf } from '../../../shared/tensor-codec.ts';
import type { TensorSpecs } from '../../engine/engine.ts';

export type Split = 'train' | 'validation' | 'test';
export type EvaluationSplit = Exclude<Split, 'train'>;

/** One task's arrays, float32, row-major, by the names of `taskTensors`; classes are one-hot, so that no graph needs integers. */
export type TaskArrays = Readonly<Record<TaskTensorName, Float32Array>>;

export const taskTensorNames = ['supportInputs', 'supportTargets', 'queryInputs', 'queryTargets'] as const;
export type TaskTensorName = (typeof taskTensorNames)[number];

/** The tensors of one task: [examples, …input] and [examples, outputs] of its support set and of its query set. */
export function taskTensors({ input, outputs, supportExamples, queryExamples }: TaskShape) {
  const tensor = (...shape: number[]) => ({ shape, dtype: 'float32' as const });
  return {
    supportInputs: tensor(supportExamples, ...input),
    supportTargets: tensor(supportExamples, outputs),
    queryInputs: tensor(queryExamples, ...input),
    queryTargets: tensor(queryExamples, outputs),
  } satisfies TensorSpecs;
}

/** A class that tasks are made of: its name, and the hash of its examples, by which it is known under any name. */
export interface TaskClass {
  readonly name: string;
  readonly sha256: string;
}

export interface TaskDistribution {
  readonly shape: TaskShape;
  /** For people and for the evaluation's protocol: data set, classes of each split and the hash of their lists. */
  readonly splitDescription: string;
  /** The data that tasks are made of, as it was read; empty where tasks are made of nothing but numbers. */
  readonly data: readonly DataIdentity[];
  /** Draws task `index` of a split into `task`, whose arrays have the lengths that `taskTensors` says and are wholly overwritten. */
  sample(split: Split, index: number, task: TaskArrays): void;
  /** The classes of a split, in the order that sampling numbers them; empty for regression. */
  classes(split: Split): readonly TaskClass[];
}

export interface DistributionContext {
  readonly seed: number;
  /** Searched for data sets, in order. */
  readonly dataDirectories: readonly string[];
  /** The split that the job evaluates on: opening refuses one that lacks classes or shares a class with training. */
  readonly evaluationSplit: EvaluationSplit;
  /** The data that the job began with. Default, or empty: that is not known. */
  readonly expectedData?: readonly DataIdentity[];
}

/**
 * Other data than `expectedData` must be refused (`refuseOtherData`) before anything is said about the
 * spec: what the spec asks for may well be right for the job's data.
 *
 * @throws MetatrainError `REQUEST_INVALID`, `DATA_SET_MISSING` or `DATA_CORRUPT` when the data cannot give the tasks that the spec asks for,
 *   `DATA_SET_DIFFERS` when it is not the data that the job began with.
 */
export type OpenDistribution<Spec extends TaskSpec> = (
  spec: Spec & { readonly queries: number },
  context: DistributionContext,
) => Promise<TaskDistribution>;

/** Arrays for `count` tasks stacked, row-major [count, …shape], and each task's part of them as views. */
export function allocateTasks(
  shape: TaskShape,
  count: number,
): { readonly stacked: TaskArrays; task(position: number): TaskArrays } {
  const tensors = taskTensors(shape);
  const build = (make: (name: TaskTensorName, length: number) => Float32Array) =>
    Object.fromEntries(
      taskTensorNames.map((name) => [name, make(name, elementsOf(tensors[name].shape))]),
    ) as unknown as TaskArrays;
  const stacked = build((_name, length) => new Float32Array(count * length));
  return {
    stacked,
    task: (position) => build((name, length) => stacked[name].subarray(position * length, (position + 1) * length)),
  };
}
