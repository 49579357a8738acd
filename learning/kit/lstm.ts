// A layer of long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers,
// Schmidhuber & Cummins 2000): c ← σ(f)·c + σ(i)·tanh(g), h ← σ(o)·tanh(c), where [i, f, g, o] are
// the sums x·W_x + h·W_h + b, gate by gate. 1 is added to the forget gate's sum, so that a cell
// remembers at first (Jozefowicz, Zaremba & Sutskever 2015).
import type * as tfjs from '@tensorflow/tfjs';
import type { NamedTensors } from '../built.ts';
import type { Parameter } from '../facts.ts';
import { xavierUniform, zeros } from './initializers.ts';
import type { Tf } from './tools.ts';

const gates = 4;

/** `NAME.input` [inputs, 4 · units], `NAME.hidden` [units, 4 · units] and `NAME.bias`. */
export const lstmParameters = (name: string, inputs: number, units: number): readonly Parameter[] => [
  { name: `${name}.input`, shape: [inputs, gates * units], initialize: xavierUniform(inputs, units) },
  { name: `${name}.hidden`, shape: [units, gates * units], initialize: xavierUniform(units, units) },
  { name: `${name}.bias`, shape: [gates * units], initialize: zeros },
];

export interface LstmState {
  /** [rows, units] */
  readonly cell: tfjs.Tensor;
  readonly hidden: tfjs.Tensor;
}

/** The inputs' part of the sums, which needs no state: all steps' at once. @param x [rows, inputs] */
export const lstmInputs = (tf: Tf, params: NamedTensors, name: string, x: tfjs.Tensor): tfjs.Tensor2D =>
  tf.add(tf.matMul(x as tfjs.Tensor2D, params[`${name}.input`] as tfjs.Tensor2D), params[`${name}.bias`]!);

/** One step. @param sums [rows, 4 · units]: `lstmInputs`, and whatever else is added to it. */
export function lstmStep(tf: Tf, params: NamedTensors, name: string, state: LstmState, sums: tfjs.Tensor): LstmState {
  const weights = params[`${name}.hidden`] as tfjs.Tensor2D;
  const [units] = weights.shape;
  const all = tf.add(sums, tf.matMul(state.hidden as tfjs.Tensor2D, weights)) as tfjs.Tensor2D;
  const gate = (index: number) => tf.slice(all, [0, index * units], [all.shape[0], units]);
  const kept = tf.mul(tf.sigmoid(tf.add(gate(1), 1)), state.cell);
  const cell = tf.add(kept, tf.mul(tf.sigmoid(gate(0)), tf.tanh(gate(2))));
  return { cell, hidden: tf.mul(tf.sigmoid(gate(3)), tf.tanh(cell)) };
}
