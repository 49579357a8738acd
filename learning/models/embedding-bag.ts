// The mean of a text's token embeddings, hidden layers, and a linear head: h₀ = Σᵢ E[tᵢ] / n over its n tokens (a deep
// averaging network, Iyyer et al. 2015, §2; without hidden layers the classifier of Joulin et al. 2017). The sum is
// computed as counts · E with the count of each token in the text: one small product, whose gradient, to any order,
// is a product too, where a look-up would have to add each token's gradient into the table.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import type { NamedTensors } from '../built.ts';
import type { Parameter, TaskFacts } from '../facts.ts';
import { he, normal, zeros } from '../kit/initializers.ts';
import { countOf, presence, tokensNeeded } from '../kit/tokens.ts';
import { joined } from '../kit/words.ts';
import { defineModel } from '../part.ts';

const schema = z.strictObject({
  /** Numbers of an embedding. */
  dimensions: z.int().min(1).max(4096).default(64),
  /** Units of each hidden layer, relu, between the mean and the head. */
  hiddenLayers: z.array(z.int().min(1).max(65_536)).max(32).default([64]),
});

export const embeddingBag = defineModel({
  name: 'embedding-bag',
  title: 'embedding bag',
  summary: "the mean of a text's token embeddings, relu layers and a linear head",
  paper: 'Iyyer et al. 2015; Joulin et al. 2017',
  schema,
  variants: {
    'one hidden layer': { dimensions: 5, hiddenLayers: [6] },
    'no hidden layer': { dimensions: 5, hiddenLayers: [] },
  },
  sizeField: 'dimensions',
  needs: tokensNeeded,
  describe: ({ dimensions, hiddenLayers }) =>
    joined(
      ', ',
      joined(' ', 'embedding bag', dimensions && `of ${dimensions}`),
      hiddenLayers && `hidden [${hiddenLayers.join(', ')}]`,
    ),
  parameters(spec, task) {
    const layers = layersOf(spec, task);
    const { vocabulary = 1 } = task;
    return [
      // as embeddings usually begin; their mean over n tokens has a deviation of 1 / √n
      { name: 'embedding', shape: [vocabulary, spec.dimensions], initialize: normal(1) },
      ...layers.flatMap(({ inputs, outputs, weights, bias }, index): Parameter[] => {
        const part = index === layers.length - 1 ? 'head' : 'body';
        return [
          { name: weights, shape: [inputs, outputs], initialize: he(inputs), part },
          { name: bias, shape: [outputs], initialize: zeros, part },
        ];
      }),
    ];
  },
  isTransductive: () => false,
  layers: ({ hiddenLayers }) => hiddenLayers.length + 2,
  build(spec, { tf, task }) {
    const layers = layersOf(spec, task);
    const { vocabulary = 1 } = task;
    const linear = (params: NamedTensors, x: tfjs.Tensor2D, index: number): tfjs.Tensor2D => {
      const { weights, bias } = layers[index]!;
      return tf.add(tf.matMul(x, params[weights] as tfjs.Tensor2D), params[bias]!);
    };
    const mean = (params: NamedTensors, tokens: tfjs.Tensor): tfjs.Tensor2D => {
      const present = presence(tf, tokens);
      const all = tf.range(0, vocabulary, 1, 'float32');
      const isToken = tf.cast(tf.equal(tf.expandDims(tokens, 2), all), 'float32');
      const counts = tf.sum(tf.mul(isToken, tf.expandDims(present, 2)), 1) as tfjs.Tensor2D;
      return tf.div(tf.matMul(counts, params.embedding as tfjs.Tensor2D), countOf(tf, present));
    };
    const features = (params: NamedTensors, tokens: tfjs.Tensor): tfjs.Tensor2D =>
      layers.slice(0, -1).reduce((x, _, index) => tf.relu(linear(params, x, index)), mean(params, tokens));
    return {
      features,
      predict: (params, tokens) => linear(params, features(params, tokens), layers.length - 1),
    };
  },
});

function layersOf({ dimensions, hiddenLayers }: z.infer<typeof schema>, task: TaskFacts) {
  const widths = [dimensions, ...hiddenLayers, task.outputs];
  return widths.slice(1).map((outputs, index) => ({
    inputs: widths[index]!,
    outputs,
    weights: `layer${index + 1}.weights`,
    bias: `layer${index + 1}.bias`,
  }));
}
