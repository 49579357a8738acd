// Gradients with respect to named parameters, on TensorFlow.js's own differentiation. They nest: a gradient within a function that is
// differentiated is differentiated with it.
import type { NamedTensors } from '../../engine/engine.ts';
import { rematerialize } from '../../engine/tf/rematerialize.ts';
import { tf } from '../../engine/tf/tf.ts';
import { type Examples, type Learner, lossOf } from './learner.ts';

/** ∂ loss / ∂ params on the examples, by name. */
export function gradientsOf(learner: Learner, params: NamedTensors, examples: Examples): NamedTensors {
  const names = Object.keys(params);
  const loss = (...tensors: tf.Tensor[]) => lossOf(learner, zip(names, tensors), examples);
  return zip(names, tf.grads(loss)(tensorsOf(names, params)));
}

export interface DifferentiatedLoss {
  readonly loss: tf.Scalar;
  readonly predictions: tf.Tensor2D;
  readonly gradients: NamedTensors;
}

/**
 * Loss on the examples at `adapt(params)`, its gradient with respect to `params` through all that `adapt` does, and the predictions that the
 * loss was made of. These leave the differentiated function beside the loss, with an upstream gradient of zero, so that no second forward
 * pass is needed for the accuracy.
 */
export function differentiate(
  learner: Learner,
  params: NamedTensors,
  adapt: (params: NamedTensors) => NamedTensors,
  { inputs, targets }: Examples,
): DifferentiatedLoss {
  const names = Object.keys(params);
  const elements = targets.size;
  const lossAndPredictions = (...tensors: tf.Tensor[]) => {
    const predictions = learner.predict(adapt(zip(names, tensors)), inputs);
    const loss = learner.objective.loss(predictions, targets);
    return tf.concat([tf.reshape(loss, [1]), tf.reshape(predictions, [elements])]);
  };
  const upstream = tf.concat([tf.ones([1]), tf.zeros([elements])]);
  // the types promise a scalar, but any shape goes when the upstream gradient has it too
  const differentiated = tf.valueAndGrads(lossAndPredictions as unknown as (...tensors: tf.Tensor[]) => tf.Scalar);
  const { value, grads } = differentiated(tensorsOf(names, params), upstream as unknown as tf.Scalar);
  return {
    loss: tf.reshape(tf.slice(value as tf.Tensor, [0], [1]), []),
    predictions: tf.reshape(tf.slice(value as tf.Tensor, [1], [elements]), targets.shape),
    gradients: zip(names, grads),
  };
}

/**
 * `step(params, examples)`, whose intermediate tensors are computed again when it is differentiated, instead of kept until then: the memory of one
 * step in the place of all, for one more forward pass of each. The numbers are the same to float32 rounding.
 */
export function withoutKeeping(
  step: (params: NamedTensors, examples: Examples) => NamedTensors,
  params: NamedTensors,
  { inputs, targets }: Examples,
): NamedTensors {
  const names = Object.keys(params);
  const onTensors = ([inputs, targets, ...tensors]: readonly tf.Tensor[]) =>
    tensorsOf(names, step(zip(names, tensors), { inputs: inputs!, targets: targets as tf.Tensor2D }));
  return zip(names, rematerialize(onTensors, [inputs, targets, ...tensorsOf(names, params)]));
}

export function mapParams(params: NamedTensors, change: (name: string, value: tf.Tensor) => tf.Tensor): NamedTensors {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, change(name, value)]));
}

const tensorsOf = (names: readonly string[], params: NamedTensors): tf.Tensor[] => names.map((name) => params[name]!);

const zip = (names: readonly string[], tensors: readonly tf.Tensor[]): NamedTensors =>
  Object.fromEntries(names.map((name, index) => [name, tensors[index]!]));
