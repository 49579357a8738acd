// The distributions that first parameters are drawn from. Each draws one value at a time, so a tensor's
// values are those of its stream in order.
import type { Initializer } from '../facts.ts';

export const zeros: Initializer = () => 0;
export const ones: Initializer = () => 1;

/** Always the same value, such as a first learning rate. */
export const constant =
  (value: number): Initializer =>
  () =>
    value;

/** Normal with mean 0. */
export const normal =
  (deviation: number): Initializer =>
  (rng) =>
    deviation * rng.normal();

/** Normal with mean 0, drawn again beyond two deviations: TensorFlow's `truncated_normal`. */
export const truncatedNormal =
  (deviation: number): Initializer =>
  (rng) => {
    for (;;) {
      const z = rng.normal();
      if (Math.abs(z) <= 2) return deviation * z;
    }
  };

/** σ = √(2 / inputs), which keeps the variance through relu. He et al. 2015, equation 10. */
export const he = (inputs: number): Initializer => normal(Math.sqrt(2 / inputs));

/** Uniform between −limit and limit. */
export const uniform =
  (limit: number): Initializer =>
  (rng) =>
    rng.between(-limit, limit);

/** Uniform in ±√(6 / (inputs + outputs)). Glorot & Bengio 2010, equation 16. */
export const xavierUniform = (inputs: number, outputs: number): Initializer =>
  uniform(Math.sqrt(6 / (inputs + outputs)));
