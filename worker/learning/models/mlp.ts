// A multilayer perceptron: h ← activation(h·W + b) for each hidden layer, then h·W + b. With the defaults the network of MAML's sinusoid experiment
// (Finn et al. 2017, §5.1: two hidden layers of 40, relu). Inputs of any shape are flattened.
import type { MlpModelSpec } from '../../../shared/job-spec/model.ts';
import { elementsOf } from '../../../shared/tensor-codec.ts';
import { tf } from '../../engine/tf/tf.ts';
import { he, truncatedNormal, zeros } from './initializers.ts';
import type { BuildModel } from './model.ts';

export const buildMlp: BuildModel<MlpModelSpec> = ({ hiddenLayers, activation, initialization }, task) => {
  const inputs = elementsOf(task.input);
  const widths = [inputs, ...hiddenLayers, task.outputs];
  const layers = widths.slice(1).map((outputs, index) => ({
    inputs: widths[index]!,
    outputs,
    weights: `layer${index + 1}.weights`,
    bias: `layer${index + 1}.bias`,
  }));
  return {
    parameters: layers.flatMap(({ inputs, outputs, weights, bias }) => [
      { name: weights, shape: [inputs, outputs], initialize: weightInitializers[initialization](inputs) },
      { name: bias, shape: [outputs], initialize: zeros },
    ]),
    isTransductive: false,
    predict: (params, x) =>
      layers.reduce(
        (hidden, { weights, bias }, index) => {
          const sum = tf.add(tf.matMul(hidden, params[weights] as tf.Tensor2D), params[bias]!) as tf.Tensor2D;
          return index < layers.length - 1 ? activations[activation](sum) : sum;
        },
        tf.reshape(x, [-1, inputs]) as tf.Tensor2D,
      ),
  };
};

const activations: Readonly<Record<MlpModelSpec['activation'], (x: tf.Tensor2D) => tf.Tensor2D>> = {
  relu: (x) => tf.relu(x),
  tanh: (x) => tf.tanh(x),
  sigmoid: (x) => tf.sigmoid(x),
};

const weightInitializers = {
  he,
  /** As in MAML's code (`construct_fc_weights`). */
  'truncated-normal': () => truncatedNormal(0.01),
};
