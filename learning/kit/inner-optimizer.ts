// The optimizers of inner loops, one parameter at a time, and their section in the job file. What Adam
// remembers goes in and out as tensors, so that a loop over it can be differentiated or computed again.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { fraction, positive } from '../../shared/job-spec/fields.ts';
import type { NamedTensors } from '../built.ts';
import type { Tf } from './tools.ts';

/** `innerOptimizer: { name: sgd | adam, … }`. @param beta1 Adam's default: papers differ in it. */
export const innerOptimizerField = ({ beta1 }: { readonly beta1: number }) =>
  z
    .discriminatedUnion('name', [
      z.strictObject({ name: z.literal('sgd') }),
      z.strictObject({
        name: z.literal('adam'),
        beta1: fraction.default(beta1),
        beta2: fraction.default(0.999),
        epsilon: positive.default(1e-8),
      }),
    ])
    .default({ name: 'sgd' });

export type InnerOptimizerSpec = z.infer<ReturnType<typeof innerOptimizerField>>;

/** One parameter's part in one inner step. */
export interface InnerStep {
  readonly name: string;
  readonly value: tfjs.Tensor;
  readonly gradient: tfjs.Tensor;
  /** A number, or as many as the parameter has. */
  readonly rate: number | tfjs.Tensor;
  /** What the steps before this one returned, of all parameters; empty at first. */
  readonly slots: NamedTensors;
  /** Steps before this one. */
  readonly step: number;
}

export type InnerUpdate = (step: InnerStep) => { readonly value: tfjs.Tensor; readonly slots: NamedTensors };

export interface InnerUpdateOptions {
  /**
   * Whether a gradient is taken through the steps. Adam's step m / (√v + ε) jumps where every gradient so far is 0, as that of a dead relu is: its
   * slope there is 1 / ε. With this option the step is 0 there, and so are all its derivatives.
   */
  readonly isDifferentiated: boolean;
}

export function innerUpdate(tf: Tf, optimizer: InnerOptimizerSpec, options: InnerUpdateOptions): InnerUpdate {
  const moved = ({ value, rate }: InnerStep, direction: tfjs.Tensor) => tf.sub(value, tf.mul(direction, rate));
  switch (optimizer.name) {
    case 'sgd':
      return (step) => ({ value: moved(step, step.gradient), slots: {} });
    case 'adam': {
      // Kingma & Ba 2015, algorithm 1
      const { beta1, beta2, epsilon } = optimizer;
      return (step) => {
        const { name, gradient } = step;
        const mean = movingAverage(tf, beta1, `${name} mean`, gradient, step);
        const square = movingAverage(tf, beta2, `${name} square`, tf.square(gradient), step);
        const direction = (mean: tfjs.Tensor, square: tfjs.Tensor) => tf.div(mean, tf.add(tf.sqrt(square), epsilon));
        const masked = () => {
          // The operand is masked too: 0 times an infinite slope would be NaN.
          const isAlive = tf.greater(square.unbiased, 0);
          const alive = direction(mean.unbiased, tf.where(isAlive, square.unbiased, tf.onesLike(square.unbiased)));
          return tf.where(isAlive, alive, tf.zerosLike(alive));
        };
        return {
          value: moved(step, options.isDifferentiated ? masked() : direction(mean.unbiased, square.unbiased)),
          slots: { ...mean.slots, ...square.slots },
        };
      };
    }
    default:
      return optimizer satisfies never;
  }
}

/** mₜ = β·mₜ₋₁ + (1 − β)·x, and the same without its bias to zero: mₜ / (1 − βᵗ). */
function movingAverage(
  tf: Tf,
  beta: number,
  slot: string,
  value: tfjs.Tensor,
  { slots, step }: InnerStep,
): { readonly unbiased: tfjs.Tensor; readonly slots: NamedTensors } {
  if (beta === 0) return { unbiased: value, slots: {} };
  const before = slots[slot];
  const share = tf.mul(value, 1 - beta);
  const average = before ? tf.add(tf.mul(before, beta), share) : share;
  return { unbiased: tf.div(average, 1 - beta ** (step + 1)), slots: { [slot]: average } };
}
