// What an entry of the catalogue of operators is, and what entries are made of.
import type { NamedTensors, TensorSpec, TensorSpecs } from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';

export interface OperatorCase {
  readonly name: string;
  readonly params: TensorSpecs;
  /** Tensors of one task, filled with numbers around zero; int32 ones with 0 … `labels` − 1. */
  readonly task: TensorSpecs;
  readonly labels?: number;
  /** The operator at work; what it returns is squared and averaged to make a loss. */
  apply(params: NamedTensors, task: NamedTensors): tf.Tensor;
  /** Its gradient is zero or not defined: only values are compared. */
  readonly valuesOnly?: true;
  /** Half the distance of the finite differences; smaller where a kink is near. Default 1e-2. */
  readonly reach?: number;
}

export interface OperatorFamily {
  readonly family: string;
  readonly cases: readonly OperatorCase[];
}
export type T2 = tf.Tensor2D;
export type T3 = tf.Tensor3D;
export type T4 = tf.Tensor4D;

export const float = (...shape: number[]): TensorSpec => ({ shape, dtype: 'float32' });
export const integer = (...shape: number[]): TensorSpec => ({ shape, dtype: 'int32' });

/** x · w for a task's x [4, 3] and a parameter w [3, 5]: numbers that depend on both, for operators that have no parameters themselves. */
export const mixed = (params: NamedTensors, task: NamedTensors) => tf.matMul(task.x as T2, params.w as T2);
export const mixing = { params: { w: float(3, 5) }, task: { x: float(4, 3) } } as const;

/** An elementwise operator; `prepare` brings its operand into its domain. */
export function elementwise(
  name: string,
  fn: (x: tf.Tensor) => tf.Tensor,
  prepare: (x: tf.Tensor) => tf.Tensor = (x) => x,
  options: Pick<OperatorCase, 'valuesOnly' | 'reach'> = {},
): OperatorCase {
  return { name, ...mixing, apply: (params, task) => fn(prepare(mixed(params, task))), ...options };
}

/** Positive, away from zero. */
export const positive = (x: tf.Tensor) => tf.add(tf.square(x), 0.5);
/** In (−0.9, 0.9). */
export const inside = (x: tf.Tensor) => tf.mul(tf.sin(x), 0.9);

/** Where an operator bends, differences must stay on one side. */
export const bent = { reach: 1e-3 } as const;

/** (x − mean) / √(variance + ε) over the axes. */
export function normalized(x: tf.Tensor, axes: number[]): tf.Tensor {
  const centred = tf.sub(x, tf.mean(x, axes, true));
  return tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), axes, true), 1e-3)));
}

export const oneHot = (y: tf.Tensor) => tf.oneHot(y as tf.Tensor1D, 5);
