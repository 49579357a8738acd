// Puts TensorFlow.js's tape into an order in which a gradient of a gradient is found. A kernel
// whose gradient uses its own output (exp, tanh, sigmoid, max, softmax and others) saves a clone of
// that output, and TensorFlow.js records the clone before the kernel that made the output. Its
// search for the way from x to y reads the tape once, from the front, so it meets the clone too
// early and takes it for a constant: the second derivative of exp throws, that of logSumExp is
// silently wrong. It is enough to record the clone after the kernel.
import type * as tfjs from '@tensorflow/tfjs';

/** What of TensorFlow.js's engine its types keep private (tfjs-core 4.22, engine.ts). */
interface Tape {
  readonly state: { readonly kernelDepth: number };
  addTapeNode: (...node: unknown[]) => void;
}

/** Changes the given TensorFlow.js's engine; to be called once. */
export function recordSavedOutputsAfterTheirKernel(tf: typeof tfjs): void {
  const tape = tf.engine() as unknown as Tape;
  const record = tape.addTapeNode.bind(tape);
  let clones: unknown[][] = [];
  tape.addTapeNode = (...node) => {
    // Within a kernel the tape is off, except for what `clone` records by hand: a saved input or
    // output.
    if (tape.state.kernelDepth > 0) {
      clones.push(node);
      return;
    }
    const saved = clones;
    clones = [];
    record(...node);
    for (const clone of saved) record(...clone);
  };
}
