// The mean of a text's token embeddings, hidden layers, and a linear head: h₀ = Σᵢ E[tᵢ] / n over
// its n tokens (a deep averaging network, Iyyer et al. 2015, §2; without hidden layers the
// classifier of Joulin et al. 2017). The sum is computed as counts · E with the count of each token
// in the text: one small product, whose gradient, to any order, is a product too, where a look-up
// would have to add each token's gradient into the table.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import type { NamedTensors } from '../built.ts';
import type { Parameter, TaskFacts } from '../facts.ts';
import { constant, he, normal, zeros } from '../kit/initializers.ts';
import { countOf, presence, tokensNeeded } from '../kit/tokens.ts';
import { joined } from '../kit/words.ts';
import { defineModel } from '../part.ts';

const schema = z.strictObject({
  /** Numbers of an embedding. */
  dimensions: z.int().min(1).max(4096).default(64),
  /** Units of each hidden layer, relu, between the mean and the head. */
  hiddenLayers: z.array(z.int().min(1).max(65_536)).max(32).default([64]),
  /** Features of one length, which is learned: distances between them are then those of directions, whatever the text's length. */
  normalize: z.boolean().default(false),
});

export const embeddingBag = defineModel({
  name: 'embedding-bag',
  title: 'embedding bag',
  summary: "the mean of a text's token embeddings, relu layers and a linear head",
  paper: 'Iyyer et al. 2015; Joulin et al. 2017',
  schema,
  variants: {
    'one hidden layer': { dimensions: 5, hiddenLayers: [6] },
    'no hidden layer, normalized': { dimensions: 5, hiddenLayers: [], normalize: true },
  },
  namesLayers: true,
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
      ...(spec.normalize ? [{ name: 'length', shape: [], initialize: constant(firstLength) }] : []),
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
  build(spec, { tf, task, layer }) {
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
      return layer('embedding', tf.div(tf.matMul(counts, params.embedding as tfjs.Tensor2D), countOf(tf, present)));
    };
    const features = (params: NamedTensors, tokens: tfjs.Tensor): tfjs.Tensor2D => {
      const last = layers
        .slice(0, -1)
        .reduce((x, { name }, index) => layer(name, tf.relu(linear(params, x, index))), mean(params, tokens));
      if (!spec.normalize) return last;
      const norm = tf.maximum(tf.sqrt(tf.sum(tf.square(last), 1, true)), 1e-8);
      return layer('length', tf.mul(tf.div(last, norm), params.length!) as tfjs.Tensor2D);
    };
    return {
      features,
      predict: (params, tokens) =>
        layer(layers.at(-1)!.name, linear(params, features(params, tokens), layers.length - 1)),
    };
  },
});

function layersOf({ dimensions, hiddenLayers }: z.infer<typeof schema>, task: TaskFacts) {
  const widths = [dimensions, ...hiddenLayers, task.outputs];
  return widths.slice(1).map((outputs, index) => ({
    inputs: widths[index]!,
    outputs,
    name: `layer${index + 1}`,
    weights: `layer${index + 1}.weights`,
    bias: `layer${index + 1}.bias`,
  }));
}

/** A squared distance of 2 · 3² between directions that have nothing in common. */
const firstLength = 3;
