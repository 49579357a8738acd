// What a meta-learning algorithm is to the rest of the worker: for one task, its meta-gradient, and how it adapts to a task that it is tested on.
// Both are pure functions of tensors that an engine compiles. Algorithms know neither models' insides, nor data sets, nor the network.
import type { AlgorithmSpec } from '../../../shared/job-spec/algorithm.ts';
import type { NamedTensors, TaskFunction, TaskOutputs } from '../../engine/engine.ts';
import { tf } from '../../engine/tf/tf.ts';
import { type Learner, querySet } from './learner.ts';

export interface Algorithm {
  /** `sum`: the meta-gradient, by parameter. `each`: `trainOutputs`. */
  readonly train: TaskFunction;
  /** φ₁, φ₂, …, adapted from θ on the task's support set for as long as the caller asks. */
  adapt(metaParams: NamedTensors, task: NamedTensors): Iterable<NamedTensors>;
}

export type BuildAlgorithm<Spec extends AlgorithmSpec> = (spec: Spec, learner: Learner) => Algorithm;

/** `loss` and, for classification, `accuracy` on the query set: scalars. */
export function trainOutputs(
  { objective }: Learner,
  metaGradient: NamedTensors,
  loss: tf.Scalar,
  predictions: tf.Tensor2D,
  targets: tf.Tensor2D,
): TaskOutputs {
  const accuracy = objective.accuracy?.(predictions, targets);
  return { sum: metaGradient, each: { loss, ...(accuracy && { accuracy }) } };
}

/** `each`: `loss` and, for classification, `accuracy`, on the query set after 0, 1, …, innerSteps: [innerSteps + 1]. */
export function evaluateFunction({ adapt }: Algorithm, learner: Learner, innerSteps: number): TaskFunction {
  return (metaParams, task) => {
    const { inputs, targets } = querySet(task);
    const losses: tf.Tensor[] = [];
    const accuracies: tf.Tensor[] = [];
    const measure = (params: NamedTensors) => {
      const predictions = learner.predict(params, inputs);
      losses.push(learner.objective.loss(predictions, targets));
      const accuracy = learner.objective.accuracy?.(predictions, targets);
      if (accuracy) accuracies.push(accuracy);
    };
    measure(metaParams);
    for (const adaptedParams of first(innerSteps, adapt(metaParams, task))) measure(adaptedParams);
    const loss = row(losses);
    return { sum: {}, each: accuracies.length > 0 ? { loss, accuracy: row(accuracies) } : { loss } };
  };
}

/** The first `count` items, and no more are asked for. */
export function* first<T>(count: number, items: Iterable<T>): Iterable<T> {
  if (count === 0) return;
  let taken = 0;
  for (const item of items) {
    yield item;
    if (++taken === count) return;
  }
}

/** The last of the first `count` items; `start` when count is 0. */
export function after<T>(count: number, items: Iterable<T>, start: T): T {
  let last = start;
  for (const item of first(count, items)) last = item;
  return last;
}

function row(scalars: readonly tf.Tensor[]): tf.Tensor {
  return tf.concat(scalars.map((scalar) => tf.reshape(scalar, [1])));
}
