// Registers a gradient of ours instead of TensorFlow.js's own, and has the functions that our
// gradients share.
import type * as tfjs from '@tensorflow/tfjs';

export type Tf = typeof tfjs;
export type Tensor = tfjs.Tensor;
export type Attributes = Readonly<Record<string, unknown>>;

export function register(
  tf: Tf,
  kernelName: string,
  inputsToSave: string[],
  gradient: (dy: Tensor, saved: Tensor[], attributes: Attributes) => Record<string, () => Tensor>,
): void {
  if (tf.getGradient(kernelName) !== undefined) tf.unregisterGradient(kernelName);
  const gradFunc = (dy: Tensor | Tensor[], saved: Tensor[], attributes: Attributes) =>
    gradient(dy as Tensor, saved, attributes);
  tf.registerGradient({ kernelName, inputsToSave, gradFunc: gradFunc as tfjs.GradConfig['gradFunc'] });
}

/** The transpose of broadcasting: a gradient of the result's shape as one of the operand's. */
export function sumTo(tf: Tf, gradient: Tensor, operand: Tensor): Tensor {
  const axes = tf.broadcast_util.getReductionAxes(operand.shape, gradient.shape);
  return axes.length === 0 ? gradient : tf.reshape(tf.sum(gradient, axes), operand.shape);
}
