// What a part is once it is built for a job: pure functions of tensors that an engine compiles, and, for
// an algorithm that needs more than one program, the procedure that calls them.
import type * as tf from '@tensorflow/tfjs';

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
}

export interface BuiltObjective {
  /** Mean over the examples. @param predictions [examples, outputs]. @param targets the same shape. */
  loss(predictions: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar;
  /** The objective's other measures, in their order. */
  readonly others: Readonly<Record<string, (predictions: tf.Tensor2D, targets: tf.Tensor2D) => tf.Scalar>>;
}

export interface BuiltAlgorithm {
  /**
   * The states of a task on the way of its adaptation, in the order of the axis's points, for as long as the caller asks. The first of an axis of
   * inner steps is the state before any.
   */
  adapt(theta: NamedTensors, task: NamedTensors): Iterable<NamedTensors>;
  /** Evaluation, prediction and export share it. @returns [examples, outputs] */
  predict(theta: NamedTensors, state: NamedTensors, inputs: tf.Tensor): tf.Tensor2D;
  /** A task's contribution and its measures (`kit.measure`). */
  readonly train: TaskFunction;
}
