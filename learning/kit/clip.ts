// Clipping of each task's contribution before it is added to those of others: what bounds how much one
// task can move θ (Abadi et al. 2016, algorithm 1, with tasks for examples).
import type { TaskFunction } from '../built.ts';
import type { Parameter } from '../facts.ts';
import type { Tf } from './tools.ts';

/** A part of the limit is left for what float32 rounds in the norm of a long vector. */
export const clipMargin = 1e-4;

/**
 * g ← g · C / max(‖g‖, C), with ‖g‖ over all parameters together.
 *
 * @param norm C, above 0. What is returned has at most this norm, and a contribution of exactly
 *   this norm may lose the margin.
 */
export function clippedTask(
  tf: Tf,
  taskFunction: TaskFunction,
  norm: number,
  parameters: readonly Parameter[],
): TaskFunction {
  const names = parameters.filter(({ update }) => update !== 'fixed').map(({ name }) => name);
  const limit = norm * (1 - clipMargin);
  return (theta, task, step) => {
    const { sum, each } = taskFunction(theta, task, step);
    const squares = names.map((name) => tf.sum(tf.mul(sum[name]!, sum[name]!)));
    const length = tf.sqrt(squares.reduce((total, square) => tf.add(total, square)));
    const factor = tf.div(tf.scalar(limit), tf.maximum(length, tf.scalar(limit)));
    return { sum: Object.fromEntries(names.map((name) => [name, tf.mul(sum[name]!, factor)])), each };
  };
}

/**
 * The same on a flat vector, in place and in float64. A vector of a part's own numbers may not be
 * finite, and stays so.
 */
export function clipVector(vector: Float32Array, norm: number): void {
  const limit = norm * (1 - clipMargin);
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  if (length <= limit) return;
  for (let i = 0; i < vector.length; i += 1) vector[i] = (vector[i]! * limit) / length;
}
