// A multilayer perceptron: h ← activation(h·W + b) for each hidden layer, then h·W + b. With the defaults
// the network of MAML's sinusoid experiment (Finn et al. 2017, §5.1: two hidden layers of 40, relu).
// Inputs of any shape are flattened. The last layer is the head.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { elementsOf } from '../../shared/tensor-codec.ts';
import type { NamedTensors } from '../built.ts';
import { celProduct } from '../cel.ts';
import type { TaskFacts } from '../facts.ts';
import { he, truncatedNormal, zeros } from '../kit/initializers.ts';
import { joined } from '../kit/words.ts';
import { defineModel } from '../part.ts';

const maxHiddenLayers = 32;

const schema = z.strictObject({
  /** Units of each hidden layer. */
  hiddenLayers: z.array(z.int().min(1).max(65_536)).max(maxHiddenLayers).default([40, 40]),
  activation: z.enum(['relu', 'tanh', 'sigmoid']).default('relu'),
  /** `he`: normal, σ = √(2 / inputs). `truncated-normal`: σ = 0.01, cut at 2σ (the code of Finn et al. 2017). Biases are zero. */
  initialization: z.enum(['he', 'truncated-normal']).default('he'),
});

type MlpSpec = z.infer<typeof schema>;

export const mlp = defineModel({
  name: 'mlp',
  title: 'multilayer perceptron',
  summary: 'fully connected layers; inputs of any shape are flattened',
  paper: 'Rumelhart, Hinton & Williams 1986',
  schema,
  variants: {
    relu: { hiddenLayers: [8, 8] },
    tanh: { hiddenLayers: [6], activation: 'tanh' },
    sigmoid: { hiddenLayers: [6], activation: 'sigmoid' },
  },
  namesLayers: true,
  sizeField: 'hiddenLayers',
  needs: ({ inputKind }) => (inputKind === 'tokens' ? 'tasks of numbers: a token is a name, not a size' : undefined),
  describe({ hiddenLayers, activation, initialization }) {
    const layers = hiddenLayers ? `mlp [${hiddenLayers.join(', ')}]` : 'mlp';
    return joined(', ', layers, activation, initialization && `${initialization} initialisation`);
  },
  parameters: (spec, task) => {
    const layers = layersOf(spec, task);
    return layers.flatMap(({ inputs, outputs, weights, bias }, index) => {
      const part = index === layers.length - 1 ? 'head' : 'body';
      return [
        { name: weights, shape: [inputs, outputs], initialize: weightInitializers[spec.initialization](inputs), part },
        { name: bias, shape: [outputs], initialize: zeros, part },
      ] as const;
    });
  },
  pytorch(spec, task) {
    const layers = layersOf(spec, task);
    const made = layers.map(({ name, inputs, outputs }) => ({ name, layer: `nn.Linear(${inputs}, ${outputs})` }));
    const body = made.slice(0, -1);
    return {
      layers: body.map(({ name, layer }) => `self.${name} = ${layer}`),
      features: [
        'x = x.flatten(1)',
        ...body.map(({ name }) => `x = torch.${spec.activation}(self.${name}(x))`),
        'return x',
      ],
      head: made.at(-1)!,
    };
  },
  isTransductive: () => false,
  layers: ({ hiddenLayers }) => hiddenLayers.length + 1,
  cel({ hiddenLayers }, { task }) {
    const inputs = task.inputSize ?? celProduct(task.input);
    // CEL has no fold over neighbours: the places are a list of their own.
    const places = Array.from({ length: maxHiddenLayers - 1 }, (_, place) => place).join(', ');
    const between = `[${places}].map(i, i + 1 < size(h) ? (h[i] + 1) * h[i + 1] : 0).sum()`;
    const last = `size(h) == 0 ? ${inputs} : h[size(h) - 1]`;
    const ofLayers = (value: string) => `[${hiddenLayers}].map(h, ${value})[0]`;
    return {
      parameters: {
        body: ofLayers(`size(h) == 0 ? 0 : (${inputs} + 1) * h[0] + ${between}`),
        head: ofLayers(`((${last}) + 1) * ${task.outputs}`),
        features: ofLayers(last),
        tensors: `2 * (size(${hiddenLayers}) + 1)`,
        hasBody: `size(${hiddenLayers}) > 0`,
      },
      layers: `(size(${hiddenLayers}) + 1)`,
      insights: `2 * (size(${hiddenLayers}) + 1)`,
    };
  },
  build(spec, { tf, task, layer }) {
    const layers = layersOf(spec, task);
    const activate = (x: tfjs.Tensor2D): tfjs.Tensor2D => tf[spec.activation](x);
    const flat = (x: tfjs.Tensor) => tf.reshape(x, [-1, elementsOf(task.input)]) as tfjs.Tensor2D;
    const through = (params: NamedTensors, hidden: tfjs.Tensor2D, index: number): tfjs.Tensor2D => {
      const { name, weights, bias } = layers[index]!;
      const sum = tf.add(tf.matMul(hidden, params[weights] as tfjs.Tensor2D), params[bias]!) as tfjs.Tensor2D;
      return layer(name, index < layers.length - 1 ? activate(sum) : sum);
    };
    const features = (params: NamedTensors, x: tfjs.Tensor): tfjs.Tensor2D =>
      layers.slice(0, -1).reduce((hidden, _, index) => through(params, hidden, index), flat(x));
    return {
      features,
      predict: (params, x) => through(params, features(params, x), layers.length - 1),
    };
  },
});

function layersOf({ hiddenLayers }: MlpSpec, task: TaskFacts) {
  const widths = [elementsOf(task.input), ...hiddenLayers, task.outputs];
  return widths.slice(1).map((outputs, index) => ({
    inputs: widths[index]!,
    outputs,
    name: `layer${index + 1}`,
    weights: `layer${index + 1}.weights`,
    bias: `layer${index + 1}.bias`,
  }));
}

const weightInitializers = {
  he,
  /** As in MAML's code (`construct_fc_weights`). */
  'truncated-normal': () => truncatedNormal(0.01),
};
