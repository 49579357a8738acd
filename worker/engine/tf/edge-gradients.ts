// Derivatives at the points where a function has none, or an infinite one: zero, to every order,
// where TensorFlow.js gives NaN, −1 or a result of 0 · ∞ that depends on the engine. So the
// derivative of a norm, of a deviation of equal numbers or of a masked root is not NaN. At all
// other points it is the usual derivative. At those special points the divisor becomes 1 and the
// dividend is multiplied by 0: both are needed, otherwise a higher order computes 0 / 0.
import { register, sumTo, type Tensor, type Tf } from './register.ts';

export function edgeGradients(tf: Tf): void {
  // tfjs's own is −1 at 0.
  register(tf, 'Abs', ['x'], (dy, [x]) => ({ x: () => tf.mul(dy, tf.sign(tf.cast(x!, 'float32'))) }));
  // 1 / 2√x, and 0 for x ≤ 0.
  register(tf, 'Sqrt', ['x'], (dy, [x]) => ({
    x: () => {
      const operand = tf.cast(x!, 'float32');
      return quotient(tf, dy, tf.mul(tf.sqrt(operand), 2), tf.greater(operand, 0));
    },
  }));
  // (b, −a) / (a² + b²), and 0 at the origin.
  register(tf, 'Atan2', ['a', 'b'], (dy, [a, b]) => {
    const over = (part: Tensor) => {
      const square = tf.add(tf.square(a!), tf.square(b!));
      return quotient(tf, part, square, tf.greater(square, 0));
    };
    return {
      a: () => sumTo(tf, tf.mul(dy, over(b!)), a!),
      b: () => sumTo(tf, tf.neg(tf.mul(dy, over(a!))), b!),
    };
  });
  powerGradient(tf);
}

/** dividend / divisor where the point is regular, else 0. */
function quotient(tf: Tf, dividend: Tensor, divisor: Tensor, isRegular: Tensor): Tensor {
  return tf.div(tf.mul(dividend, tf.cast(isRegular, 'float32')), tf.where(isRegular, divisor, 1));
}

/**
 * b · a^(b − 1), with an exponent of 0 where b = 0: 0 · a^0 is 0 also for a = 0. Only the exponent is
 * touched, so that a constant one leaves the graph as it was: the gradient of `rsqrt`, and so batch
 * norm, is made of powers. By b: a^b · ln a, and 0 where a ≤ 0.
 */
function powerGradient(tf: Tf): void {
  register(tf, 'Pow', ['a', 'b'], (dy, [a, b]) => {
    const exponent = tf.cast(b!, 'float32');
    return {
      a: () => {
        const lowered = tf.add(tf.sub(exponent, 1), tf.cast(tf.equal(exponent, 0), 'float32'));
        return sumTo(tf, tf.mul(dy, tf.mul(exponent, tf.pow(a!, lowered))), a!);
      },
      b: () => {
        const isPositive = tf.greater(a!, 0);
        const logarithm = tf.where(isPositive, tf.log(tf.where(isPositive, a!, 1)), 0);
        return sumTo(tf, tf.mul(dy, tf.mul(tf.pow(a!, exponent), logarithm)), b!);
      },
    };
  });
}
