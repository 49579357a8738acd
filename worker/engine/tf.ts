// The one door to TensorFlow.js: loads it, keeps it quiet, and completes its gradients so that a gradient of a gradient is right.
// Models, algorithms and both executors import `tf` from here and nowhere else.
import * as tf from '@tensorflow/tfjs';
import { registerMissingGradients } from './tf-gradients.ts';
import { recordSavedOutputsAfterTheirKernel } from './tf-tape.ts';

/** What of TensorFlow.js's engine its types keep private. */
interface EngineInternals {
  readonly state: { readonly gradientDepth: number };
  customGrad: (f: CustomGradient) => (...inputs: tf.Tensor[]) => tf.Tensor;
}
type Save = (tensors: tf.Tensor[]) => void;
type CustomGradient = (...inputs: (tf.Tensor | Save)[]) => {
  value: tf.Tensor;
  gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => unknown;
};

/**
 * TensorFlow.js records no tape inside `tf.customGrad`, so what such a function saves counts as a constant in the next derivative:
 * `tf.logSoftmax` and `tf.losses.softmaxCrossEntropy` would lose a term of every second-order gradient. Here the inputs are saved too, and under
 * an outer gradient the function runs again on the tape before its gradient is taken, so that every order is the derivative of the one below.
 * The compiled executor shares the repeated nodes with the first run's.
 */
function tapeCustomGradients(): void {
  const engine = tf.engine() as unknown as EngineInternals;
  const original = engine.customGrad.bind(engine);
  engine.customGrad = (f) => {
    const taped: CustomGradient = (...args) => {
      const save = args.at(-1) as Save;
      const inputs = args.slice(0, -1) as tf.Tensor[];
      let kept: tf.Tensor[] = [];
      const { value, gradFunc } = f(...inputs, (tensors) => {
        kept = tensors;
      });
      save([...kept, ...inputs]);
      return {
        value,
        gradFunc: (dy, saved) => {
          if (engine.state.gradientDepth === 0) return gradFunc(dy, saved.slice(0, kept.length));
          let again: tf.Tensor[] = [];
          const repeated = f(...saved.slice(kept.length), (tensors) => {
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
