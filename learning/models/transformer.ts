// A small transformer encoder for texts: embeddings of tokens and of their positions, blocks of
// self-attention and two relu layers, each with layer norm before and a sum around it (Vaswani et
// al. 2017, §3; norm first as Xiong et al. 2020), the mean over the text's tokens, and a linear
// head. Attention does not see what is after a text's end.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import type { NamedTensors } from '../built.ts';
import type { Parameter } from '../facts.ts';
import { he, normal, ones, xavierUniform, zeros } from '../kit/initializers.ts';
import { meanOfPresent, presence, softmax, tokensNeeded } from '../kit/tokens.ts';
import { joined } from '../kit/words.ts';
import { defineModel } from '../part.ts';

const schema = z.strictObject({
  /** Numbers of an embedding; a multiple of `heads`. */
  dimensions: z.int().min(1).max(4096).default(64),
  heads: z.int().min(1).max(64).default(4),
  blocks: z.int().min(1).max(32).default(2),
  /** Units of the first of a block's two relu layers. */
  feedForward: z.int().min(1).max(65_536).default(128),
});

/** Layer norm's; added to the variance. */
const epsilon = 1e-5;

export const transformer = defineModel({
  name: 'transformer',
  title: 'transformer encoder',
  summary: 'self-attention over the tokens of a text, their mean, and a linear head',
  paper: 'Vaswani et al. 2017; Xiong et al. 2020',
  schema,
  variants: { 'one block of two heads': { dimensions: 4, heads: 2, blocks: 1, feedForward: 5 } },
  namesLayers: true,
  sizeField: 'dimensions',
  needs: tokensNeeded,
  check: ({ dimensions, heads }) =>
    dimensions % heads === 0
      ? []
      : [
          {
            field: 'model.dimensions',
            got: String(dimensions),
            accepted: `a multiple of model.heads, which is ${heads}`,
          },
        ],
  describe: ({ dimensions, heads, blocks }) =>
    joined(', ', joined(' ', 'transformer', dimensions && `of ${dimensions}`), blocks && `${blocks} ${blocks === 1 ? 'block' : 'blocks'}`, heads && `${heads} heads`), // biome-ignore format: one line
  parameters({ dimensions, blocks, feedForward }, { vocabulary = 1, input, outputs }) {
    const square = xavierUniform(dimensions, dimensions);
    const norm = (name: string): Parameter[] => [
      { name: `${name}.scale`, shape: [dimensions], initialize: ones },
      { name: `${name}.shift`, shape: [dimensions], initialize: zeros },
    ];
    const linear = (name: string, inputs: number, width: number, initialize = square): Parameter[] => [
      { name: `${name}.weights`, shape: [inputs, width], initialize },
      { name: `${name}.bias`, shape: [width], initialize: zeros },
    ];
    const block = (_: unknown, index: number): Parameter[] => {
      const at = `block${index + 1}`;
      return [
        ...norm(`${at}.attention.norm`),
        ...['query', 'key', 'value', 'output'].flatMap((name) =>
          linear(`${at}.attention.${name}`, dimensions, dimensions),
        ),
        ...norm(`${at}.layers.norm`),
        ...linear(`${at}.layers.first`, dimensions, feedForward, he(dimensions)),
        ...linear(`${at}.layers.second`, feedForward, dimensions, xavierUniform(feedForward, dimensions)),
      ];
    };
    return [
      { name: 'embedding', shape: [vocabulary, dimensions], initialize: normal(1) },
      { name: 'positions', shape: [input[0]!, dimensions], initialize: normal(0.1) },
      ...Array.from({ length: blocks }, block).flat(),
      ...norm('norm'),
      { name: 'head.weights', shape: [dimensions, outputs], initialize: he(dimensions), part: 'head' },
      { name: 'head.bias', shape: [outputs], initialize: zeros, part: 'head' },
    ];
  },
  isTransductive: () => false,
  layers: ({ blocks }) => 10 * blocks + 2,
  build({ dimensions, heads, blocks }, { tf, task, layer }) {
    const [length = 1] = task.input;
    const width = dimensions / heads;
    const norm = (params: NamedTensors, name: string, x: tfjs.Tensor): tfjs.Tensor => {
      const centred = tf.sub(x, tf.mean(x, -1, true));
      const variance = tf.mean(tf.square(centred), -1, true);
      const normal = tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon)));
      return tf.add(tf.mul(normal, params[`${name}.scale`]!), params[`${name}.shift`]!);
    };
    const linear = (params: NamedTensors, name: string, x: tfjs.Tensor): tfjs.Tensor => {
      const weights = params[`${name}.weights`] as tfjs.Tensor2D;
      const rows = tf.reshape(x, [-1, weights.shape[0]]) as tfjs.Tensor2D;
      const product = tf.add(tf.matMul(rows, weights), params[`${name}.bias`]!);
      return tf.reshape(product, [...x.shape.slice(0, -1), weights.shape[1]]);
    };
    /** [examples, tokens, dimensions] → [examples, heads, tokens, width] */
    const byHead = (x: tfjs.Tensor) => tf.transpose(tf.reshape(x, [-1, length, heads, width]), [0, 2, 1, 3]);
    /** @param hidden [examples, 1, 1, tokens]: far below zero where there is no token. */
    const attention = (params: NamedTensors, name: string, x: tfjs.Tensor, hidden: tfjs.Tensor): tfjs.Tensor => {
      const [query, key, value] = (['query', 'key', 'value'] as const).map((part) =>
        byHead(linear(params, `${name}.${part}`, x)),
      );
      const scores = tf.mul(tf.matMul(query!, key!, false, true), 1 / Math.sqrt(width));
      const mixed = tf.matMul(softmax(tf, tf.add(scores, hidden)), value!);
      return linear(params, `${name}.output`, tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [-1, length, dimensions]));
    };
    const features = (params: NamedTensors, tokens: tfjs.Tensor): tfjs.Tensor2D => {
      const present = presence(tf, tokens);
      const hidden = tf.reshape(tf.mul(tf.sub(present, 1), hiddenScore), [-1, 1, 1, length]);
      const embedded = layer('embedding', tf.gather(params.embedding!, tf.cast(tokens, 'int32')));
      let x: tfjs.Tensor = layer('positions', tf.add(embedded, params.positions!));
      for (let block = 1; block <= blocks; block++) {
        const at = `block${block}`;
        x = tf.add(x, attention(params, `${at}.attention`, norm(params, `${at}.attention.norm`, x), hidden));
        const first = tf.relu(linear(params, `${at}.layers.first`, norm(params, `${at}.layers.norm`, x)));
        x = layer(at, tf.add(x, linear(params, `${at}.layers.second`, first)));
      }
      return layer('norm', meanOfPresent(tf, norm(params, 'norm', x) as tfjs.Tensor3D, present));
    };
    return {
      features,
      predict: (params, tokens) => layer('head', linear(params, 'head', features(params, tokens)) as tfjs.Tensor2D),
    };
  },
});

/** Below every score by so much that its exponential is 0 in float32, and still finite where nothing is there. */
const hiddenScore = 1e9;
