// What a part is once it is built for a job: pure functions of tensors that an engine compiles, and, for
// an algorithm that needs more than one program, the procedure that calls them.
import type * as tf from '@tensorflow/tfjs';
import type { Rng } from '../shared/rng.ts';

export type NamedTensors = Readonly<Record<string, tf.Tensor>>;
export type NamedArrays = Readonly<Record<string, Float32Array>>;

/** What a task function returns. */
export interface TaskOutputs {
  /** Added over the tasks of a shard, in task order: a task's contribution to θ, by parameter. */
  readonly sum: NamedTensors;
  /** Kept for every task: its measures by name, or what a procedure asks for. */
  readonly each: NamedTensors;
}

/**
 * One task's computation, a pure function: no side effects, no randomness, no reading of tensor values,
 * control flow on shapes and options only. It may call `tf.grads`, nested.
 *
 * @param theta the meta-parameters by name.
 * @param task the task's tensors by name.
 * @param step the algorithm's inputs of this meta-step, by name.
 */
export type TaskFunction = (theta: NamedTensors, task: NamedTensors, step: NamedTensors) => TaskOutputs;

export interface BuiltModel {
  /** @param inputs [examples, …input]. @returns [examples, outputs]: values, or logits. */
  predict(params: NamedTensors, inputs: tf.Tensor): tf.Tensor2D;
  /** What the head makes predictions from, [examples, features]. Absent where the model has no head. */
  readonly features?: (params: NamedTensors, inputs: tf.Tensor) => tf.Tensor2D;
  /**
   * What of a task's support set belongs to its state beside the parameters, such as the statistics of batch
   * norm, by names that no parameter has: `predict` and `features` take it from `params` where it is there.
   * Absent: nothing.
   */
  readonly statistics?: (params: NamedTensors, supportInputs: tf.Tensor) => NamedTensors;
  /**
   * The new values of the model's running statistics, the parameters whose `update` is `average`,
   * after it has seen the inputs. In training `params` has none of them; in evaluation and
   * predictions it has all. Absent where there are none.
   */
  readonly running?: (params: NamedTensors, inputs: tf.Tensor, before: NamedTensors) => NamedTensors;
}

export interface BuiltObjective {
  /** Mean over the examples. @param predictions [examples, outputs]. @param targets the same shape. */
  loss(predictions: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar;
  /**
   * What several models predict together, [examples, outputs], from what each predicts. Default: the mean.
   */
  readonly average?: (predictions: readonly tf.Tensor2D[]) => tf.Tensor2D;
  /** The objective's other measures, in their order. */
  readonly others: Readonly<Record<string, (predictions: tf.Tensor2D, targets: tf.Tensor2D) => tf.Scalar>>;
}

/**
 * The states of a task on the way of its adaptation, in the order of the axis's points, for as long as the
 * caller asks. The first of an axis of inner steps is the state before any. The states are traced into one
 * program.
 */
export type Adaptation = (theta: NamedTensors, task: NamedTensors, step: NamedTensors) => Iterable<NamedTensors>;

/**
 * An adaptation whose steps are all alike: one step is compiled and called in a loop, so that a thousand
 * steps cost no more to compile than one. A step's number, where it is needed, is part of the state.
 * Sequences (`streamInputs`, `streamTargets`) are always read so: the step is called for each example, with
 * this example alone in the task.
 */
export interface LoopedAdaptation {
  /** The state at the axis's first point. */
  start(theta: NamedTensors, task: NamedTensors, step: NamedTensors): NamedTensors;
  /** @returns the state at the next point: the same names and shapes. */
  next(theta: NamedTensors, state: NamedTensors, task: NamedTensors, step: NamedTensors): NamedTensors;
}

/** A task function that a procedure calls, with the task tensors that the procedure hands it. */
export interface ProcedureProgram {
  readonly compute: TaskFunction;
  /**
   * Task tensors in addition to those of the distribution, such as the state of a task's adaptation: shapes
   * of one task, float32. One with the name of a tensor of the distribution takes its place.
   */
  readonly inputs?: TensorShapes;
}

export type TensorShapes = Readonly<Record<string, { readonly shape: readonly number[] }>>;

/** What a procedure works on. The arrays are the caller's and are not to be changed. */
export interface ProcedureShard {
  readonly metaStep: number;
  /** The tasks firstTask … firstTask + taskCount − 1 of the training split. */
  readonly firstTask: number;
  readonly taskCount: number;
  /** θ by name. */
  readonly theta: NamedArrays;
  /** The tasks' tensors by name, stacked: row-major [taskCount, …shape]. */
  readonly tasks: NamedArrays;
  /** The algorithm's inputs of this meta-step, by name. */
  readonly step: NamedArrays;
  /** What the shard of this number returned as `carry` in the meta-step before, by name; undefined in its first. */
  readonly carried: NamedArrays | undefined;
  /** A stream of a task's own, such as for exploration: a function of the job's seed, the purpose and the task's number. */
  rng(purpose: string, offset: number): Rng;
}

/** What a call of a program differs in from the shard; what is left out is the shard's. */
export interface ProgramCall {
  readonly theta?: NamedArrays;
  /** Stacked. The program's own inputs must be here. */
  readonly tasks?: NamedArrays;
  readonly step?: NamedArrays;
  /** Default: the shard's. With another count, every task tensor must be given. */
  readonly taskCount?: number;
}

/** `sum`: over the tasks. `each`: stacked. Both are freshly owned. */
export interface ProgramOutputs {
  readonly sum: NamedArrays;
  readonly each: NamedArrays;
}

/** @throws MetatrainError `INTERNAL` for a name that is not among the programs. */
export type RunProgram = (name: string, call?: ProgramCall) => Promise<ProgramOutputs>;

/** What a shard adds to a meta-step. */
export interface Contribution {
  /** By parameter: a sum over the shard's counted tasks. Parameters that are `fixed` need not be there. */
  readonly vector: NamedArrays;
  /** What the sum counts for; usually the number of counted tasks, and 0 where no task counts. */
  readonly weight: number;
  /** Every measure of training by name, one value a task. */
  readonly measures: NamedArrays;
  /** Offsets of the tasks that are left out since their numbers are not finite, ascending. Default: none. */
  readonly nonFiniteTasks?: readonly number[];
  /** What the algorithm `carries`, finite; left out where it carries nothing. */
  readonly carry?: NamedArrays;
}

/**
 * How a shard is computed by more than one program: plain TypeScript on typed arrays, which calls compiled
 * programs as often as it likes. It must be a function of what it is given: no clock, no other randomness.
 */
export type Procedure = (shard: ProcedureShard, run: RunProgram) => Promise<Contribution>;

export interface ProcedureTraining {
  readonly programs: Readonly<Record<string, ProcedureProgram>>;
  readonly shard: Procedure;
}

export interface BuiltAlgorithm {
  readonly adapt: Adaptation | LoopedAdaptation;
  /** Evaluation, prediction and export share it. @returns [examples, outputs] */
  predict(theta: NamedTensors, state: NamedTensors, inputs: tf.Tensor): tf.Tensor2D;
  /** A task's contribution and its measures (`kit.measure`), in one program; or a procedure over several. */
  readonly train: TaskFunction | ProcedureTraining;
}
