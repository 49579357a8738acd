// Max-pooling that can be differentiated twice and gives the right derivative where elements are equal.
import type * as tfjs from '@tensorflow/tfjs';
import type { Tf } from './tools.ts';

/**
 * The largest of each 2×2 window, a last odd row or column left out. In pairwise maxima, whose
 * gradient goes to one of two equals: that of `tf.max` goes to each of them in full, four times too
 * much where an image is blank (and `tf.maxPool` has no second derivative).
 */
export function maxPool(tf: Tf, x: tfjs.Tensor4D): tfjs.Tensor4D {
  const [examples, height, width, channels] = x.shape;
  const rows = height >> 1;
  const columns = width >> 1;
  const whole = tf.slice(x, [0, 0, 0, 0], [examples, 2 * rows, 2 * columns, channels]);
  const pairsOfRows = tf.reshape(whole, [examples, rows, 2, 2 * columns * channels]);
  const inRows = larger(tf, pairsOfRows, 2);
  return tf.reshape(larger(tf, tf.reshape(inRows, [examples, rows * columns, 2, channels]), 2), [
    examples,
    rows,
    columns,
    channels,
  ]);
}

/** The larger of the two halves along an axis of length 2. */
function larger(tf: Tf, x: tfjs.Tensor, axis: number): tfjs.Tensor {
  const half = (index: number) => {
    const begin = x.shape.map((_, at) => (at === axis ? index : 0));
    const size = x.shape.map((length, at) => (at === axis ? 1 : length));
    return tf.slice(x, begin, size);
  };
  return tf.maximum(half(0), half(1));
}
