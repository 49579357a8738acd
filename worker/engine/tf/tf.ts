// The one door to TensorFlow.js: loads it, keeps it quiet, and completes its gradients so that a
// gradient of a gradient is right. Models, algorithms and both executors import `tf` from here and
// nowhere else.
import { createRequire } from 'node:module';
import type * as types from '@tensorflow/tfjs';
import { registerMissingGradients } from './gradients.ts';
import { recordSavedOutputsAfterTheirKernel } from './tape.ts';

// Required, and not imported: to import a CommonJS package, Node.js first parses it for the names
// that it exports, which takes longer than to load it.
const require = createRequire(import.meta.url);
const tf: typeof types = require('@tensorflow/tfjs');

/** The types that go by the same name. */
declare namespace tf {
  export type DataStorage<T> = types.DataStorage<T>;
  export type KernelBackend = types.KernelBackend;
  export type Scalar = types.Scalar;
  export type Tensor = types.Tensor;
  export type Tensor1D = types.Tensor1D;
  export type Tensor2D = types.Tensor2D;
  export type Tensor3D = types.Tensor3D;
  export type Tensor4D = types.Tensor4D;
  export type Tensor5D = types.Tensor5D;
}

/** What of TensorFlow.js's engine its types keep private. */
interface EngineInternals {
  customGrad: (f: CustomGradient) => (...inputs: tf.Tensor[]) => tf.Tensor;
}
type Save = (tensors: tf.Tensor[]) => void;
type CustomGradient = (...inputs: (tf.Tensor | Save)[]) => {
  value: tf.Tensor;
  gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => unknown;
};

/**
 * TensorFlow.js records no tape inside `tf.customGrad`, so what such a function saves counts as a
 * constant in the next derivative: `tf.logSoftmax` and `tf.losses.softmaxCrossEntropy` would lose a
 * term of every second-order gradient; and a tensor that its gradient takes from the closure
 * (`tf.logSigmoid`) is gone by then. Here the inputs are saved, and the function runs again on the
 * tape before its gradient is taken, so that every order is the derivative of the one below. The
 * compiled executor shares the repeated nodes with the first run's.
 */
function tapeCustomGradients(): void {
  const engine = tf.engine() as unknown as EngineInternals;
  const original = engine.customGrad.bind(engine);
  engine.customGrad = (f) => {
    const taped: CustomGradient = (...args) => {
      const save = args.at(-1) as Save;
      const { value } = f(...(args.slice(0, -1) as tf.Tensor[]), () => {});
      save(args.slice(0, -1) as tf.Tensor[]);
      return {
        value,
        gradFunc: (dy, inputs) => {
          let again: tf.Tensor[] = [];
          const repeated = f(...inputs, (tensors) => {
            again = tensors;
          });
          return repeated.gradFunc(dy, again);
        },
      };
    };
    return original(taped);
  };
}

function silence(): void {
  const cpu = tf.findBackend('cpu') as unknown as { firstUse: boolean };
  cpu.firstUse = false; // the banner that recommends tfjs-node
}

silence();
recordSavedOutputsAfterTheirKernel(tf);
registerMissingGradients(tf);
tapeCustomGradients();

export { tf };
