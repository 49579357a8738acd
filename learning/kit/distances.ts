// How alike two sets of vectors are, pair by pair.
import type * as tfjs from '@tensorflow/tfjs';
import type { Tf } from './tools.ts';

/** −‖a − b‖². @param a [n, width]. @param b [m, width]. @returns [n, m] */
export function negativeSquaredDistances(tf: Tf, a: tfjs.Tensor2D, b: tfjs.Tensor2D): tfjs.Tensor2D {
  const differences = tf.sub(tf.expandDims(a, 1), tf.expandDims(b, 0));
  return tf.neg(tf.sum(tf.square(differences), 2));
}

/** The cosine of the angle between a and b; 0 for a vector of zeros. @param a [n, width]. @param b [m, width]. @returns [n, m] */
export function cosines(tf: Tf, a: tfjs.Tensor2D, b: tfjs.Tensor2D): tfjs.Tensor2D {
  return tf.matMul(unit(tf, a), unit(tf, b), false, true);
}

function unit(tf: Tf, vectors: tfjs.Tensor2D): tfjs.Tensor2D {
  const lengths = tf.sqrt(tf.sum(tf.square(vectors), 1, true));
  return tf.div(vectors, tf.maximum(lengths, 1e-8));
}
