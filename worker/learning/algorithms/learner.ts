// What an algorithm adapts: a model's prediction with the loss of its kind of task. Losses are means over examples, in plain operators that
// have gradients of every order; TensorFlow.js's own cross-entropies lose terms of the second (see worker/engine/tf/tf.ts).

import type { TaskShape } from '../../../shared/job-spec/task-shape.ts';
import type { NamedTensors } from '../../engine/engine.ts';
import { tf } from '../../engine/tf/tf.ts';
import type { Model } from '../models/model.ts';

export interface Examples {
  /** [examples, …input] */
  readonly inputs: tf.Tensor;
  /** [examples, outputs] */
  readonly targets: tf.Tensor2D;
}

export interface Learner {
  predict(params: NamedTensors, inputs: tf.Tensor): tf.Tensor2D;
  readonly objective: Objective;
}

export interface Objective {
  /** Mean over the examples. */
  loss(predictions: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar;
  /** Share of the examples that are right, 0 to 1; only where that means something. */
  readonly accuracy?: (predictions: tf.Tensor2D, targets: tf.Tensor2D) => tf.Scalar;
}

export function learnerOf(model: Model, task: TaskShape): Learner {
  return { predict: model.predict, objective: objectives[task.kind] };
}

export const supportSet = (task: NamedTensors): Examples => ({
  inputs: task.supportInputs!,
  targets: task.supportTargets as tf.Tensor2D,
});

export const querySet = (task: NamedTensors): Examples => ({
  inputs: task.queryInputs!,
  targets: task.queryTargets as tf.Tensor2D,
});

export function lossOf(learner: Learner, params: NamedTensors, { inputs, targets }: Examples): tf.Scalar {
  return learner.objective.loss(learner.predict(params, inputs), targets);
}

export const objectives: Readonly<Record<TaskShape['kind'], Objective>> = {
  /** Mean squared error over examples and outputs. */
  regression: {
    loss: (predictions, targets) => tf.mean(tf.square(tf.sub(predictions, targets))),
  },
  /** Cross-entropy of the softmax with one-hot targets, in nats. */
  classification: {
    loss(logits, oneHot) {
      // log Σ exp(l) does not change when all l are shifted alike, so its gradient need not know of the shift
      const shifted = tf.sub(logits, constantMaximum(logits));
      const logNormaliser = tf.log(tf.sum(tf.exp(shifted), 1));
      const logit = tf.sum(tf.mul(oneHot, shifted), 1);
      return tf.mean(tf.sub(logNormaliser, logit));
    },
    /** An example is right when its own logit is above every other; a tie or a NaN is wrong, so a model that says nothing scores nothing. */
    accuracy(logits, oneHot) {
      const own = tf.sum(tf.mul(oneHot, logits), 1);
      const others = tf.max(tf.sub(logits, tf.mul(oneHot, beyondLogits)), 1);
      return tf.mean(tf.cast(tf.greater(own, others), 'float32'));
    },
  },
};

/** Takes a logit out of the running: further than any finite logit that still gives a finite loss. */
const beyondLogits = 1e30;

/** The largest logit of each example, [examples, 1], as a constant to every gradient. */
function constantMaximum(logits: tf.Tensor2D): tf.Tensor {
  const asConstant = tf.customGrad((x) => {
    const { shape } = x as tf.Tensor;
    return { value: tf.max(x as tf.Tensor, 1, true), gradFunc: () => tf.zeros(shape) };
  });
  return asConstant(logits);
}
