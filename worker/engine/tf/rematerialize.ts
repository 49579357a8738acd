// Rematerialisation: a function's intermediate tensors are not kept for its gradient, but computed
// again when the gradient is due (Griewank & Walther 2000, checkpointing with one segment). The
// gradient is the same sum of the same products; the price is one more forward pass. In a compiled
// graph the second pass would be recognised as equal to the first and merged with it. So its
// operands are put behind a barrier, the graph's `after`: the same values, available only after the
// upstream gradient, which also keeps the second pass from being run too early.
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './tf.ts';

type Tensor = tfjs.Tensor;

/** What of TensorFlow.js's engine its types keep private (tfjs-core 4.22, engine.ts). */
interface Tape {
  readonly state: { activeTape: unknown; gradientDepth: number; readonly kernelDepth: number };
  addTapeNode(
    name: string,
    inputs: Readonly<Record<string, Tensor>>,
    outputs: readonly Tensor[],
    gradients: (upstream: Tensor | Tensor[]) => Readonly<Record<string, () => Tensor>>,
    saved: readonly Tensor[],
    attributes: object,
  ): void;
  gradients(
    f: () => Tensor,
    xs: readonly Tensor[],
    dy: undefined,
    allowNoGradients: true,
  ): { grads: (Tensor | null)[] };
}

/**
 * A kernel that only the tracing backend has: an executor that runs operators one by one needs no
 * barrier.
 */
export const barrierKernel = 'After';

/**
 * The result of `f`, whose intermediate tensors are not kept for the gradient. `f` must be pure and
 * may take gradients itself; all float32 tensors that it depends on and that are differentiated
 * must be among the inputs.
 */
export function rematerialize(
  f: (inputs: readonly Tensor[]) => readonly Tensor[],
  inputs: readonly Tensor[],
): Tensor[] {
  const tape = tf.engine() as unknown as Tape;
  if (tape.state.gradientDepth === 0) return [...f(inputs)];
  const outputs = [...offTape(tape, () => f(inputs))];
  const saved = inputs.map((input) => tf.keep(tf.clone(input)));
  const differentiated = inputs.flatMap((input, i) => (input.dtype === 'float32' ? [i] : []));
  const gradients = (upstream: Tensor | Tensor[]) => {
    const dys = Array.isArray(upstream) ? upstream : [upstream];
    const again = () => vectorProduct(tape, f, barrier(saved, dys), differentiated, dys);
    // the outermost gradient walks along its tape while this one records its own
    const all = tape.state.gradientDepth === 0 ? offTape(tape, again) : again();
    return Object.fromEntries(differentiated.map((input, i) => [String(input), () => all[i]!]));
  };
  const named = Object.fromEntries(saved.map((input, i) => [String(i), input]));
  tape.addTapeNode('Rematerialized', named, outputs, gradients, saved, {});
  return outputs;
}

/** Runs `f` as if nothing around it were being differentiated. */
function offTape<T>({ state }: Tape, f: () => T): T {
  const { activeTape, gradientDepth } = state;
  state.activeTape = null;
  state.gradientDepth = 0;
  try {
    return f();
  } finally {
    state.activeTape = activeTape;
    state.gradientDepth = gradientDepth;
  }
}

/** Σᵢ dyᵢ · ∂fᵢ/∂x for each x: the gradient of Σᵢ ⟨dyᵢ, fᵢ⟩, whose value is not used. */
function vectorProduct(
  tape: Tape,
  f: (inputs: readonly Tensor[]) => readonly Tensor[],
  inputs: readonly Tensor[],
  differentiated: readonly number[],
  dys: readonly Tensor[],
): Tensor[] {
  const xs = differentiated.map((i) => inputs[i]!);
  const weighted = () => tf.addN(f(inputs).map((output, i) => tf.sum(tf.mul(output, dys[i]!))));
  const { grads } = tape.gradients(weighted, xs, undefined, true);
  return grads.map((gradient, i) => gradient ?? tf.zerosLike(xs[i]!));
}

/** Equal tensors that are available only after `upstream`. */
function barrier(tensors: readonly Tensor[], upstream: readonly Tensor[]): Tensor[] {
  if (tf.getKernel(barrierKernel, tf.getBackend()) === undefined) return [...tensors];
  const after = Object.fromEntries(upstream.map((dy, i) => [`after${i}`, dy]));
  return tensors.map((x) => tf.engine().runKernel(barrierKernel, { x, ...after }) as Tensor);
}
