// What models of text share: which tokens are there, and a softmax with gradients of every order.
import type * as tfjs from '@tensorflow/tfjs';
import type { TaskFacts } from '../facts.ts';
import type { Tf } from './tools.ts';

export const tokensNeeded = ({ inputKind }: TaskFacts): string | undefined =>
  inputKind === 'tokens' ? undefined : 'tasks of tokens';

/** [examples, tokens]: 1 where there is a token, 0 after a text's end. */
export const presence = (tf: Tf, tokens: tfjs.Tensor): tfjs.Tensor => tf.cast(tf.greater(tokens, 0.5), 'float32');

/** The mean of [examples, tokens, …] over the tokens that are there; 0 where there is none. */
export function meanOfPresent(tf: Tf, values: tfjs.Tensor3D, present: tfjs.Tensor): tfjs.Tensor2D {
  const sum = tf.sum(tf.mul(values, tf.expandDims(present, 2)), 1);
  return tf.div(sum, countOf(tf, present)) as tfjs.Tensor2D;
}

/** [examples, 1]: how many tokens are there, at least 1. */
export const countOf = (tf: Tf, present: tfjs.Tensor): tfjs.Tensor => tf.maximum(tf.sum(present, 1, true), 1);

/** The largest along the last axis, which stays with length 1, as a constant to every gradient. */
export function constantMaximum(tf: Tf, x: tfjs.Tensor): tfjs.Tensor {
  const asConstant = tf.customGrad((x) => {
    const { shape, rank } = x as tfjs.Tensor;
    return { value: tf.max(x as tfjs.Tensor, rank - 1, true), gradFunc: () => tf.zeros(shape) };
  });
  return asConstant(x);
}

/** Along the last axis. A shift of all numbers changes nothing, so its gradient need not know of the shift. */
export function softmax(tf: Tf, x: tfjs.Tensor): tfjs.Tensor {
  const exponentials = tf.exp(tf.sub(x, constantMaximum(tf, x)));
  return tf.div(exponentials, tf.sum(exponentials, -1, true));
}
