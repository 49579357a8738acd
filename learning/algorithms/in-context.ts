// In-context learning: a transformer reads the support set and predicts for each query example; nothing is
// adapted by gradient. A support token is W_x·f(x) + W_y·y, a query token W_x·f(x) + e, with f the
// model without its head; every token attends to the support tokens alone, and no token knows its
// position, so a prediction depends neither on the support set's order nor on other queries
// (Müller, Hollmann, Arango, Grabocka & Hutter 2022, §4; the transformer is Vaswani et al. 2017's
// with layer norm before each sublayer). Trained on the query set's loss. A task's state is the
// keys and values of its support set.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { noAxis } from '../../shared/measures.ts';
import type { NamedTensors } from '../built.ts';
import { bodyOf, featureCount, type Parameter } from '../facts.ts';
import { ones, xavierUniform, zeros } from '../kit/initializers.ts';
import {
  bodyAndHeadNeeded,
  bodyAndHeadNeededCel,
  featuresNeeded,
  supportNeeded,
  supportNeededCel,
} from '../kit/needs.ts';
import { defineAlgorithm } from '../part.ts';

const schema = z.strictObject({
  /** Numbers in a token. */
  width: z.int().min(1).max(4096).default(64),
  layers: z.int().min(1).max(64).default(2),
  heads: z.int().min(1).max(64).default(4),
});

type Spec = z.infer<typeof schema>;

/** Hidden units of a layer's network, as a multiple of the width. */
const expansion = 2;

const epsilon = 1e-5;

const inLayer = (layer: number, name: string): string => `transformer.${layer}.${name}`;

const matrix = (name: string, inputs: number, outputs: number): Parameter => ({
  name,
  shape: [inputs, outputs],
  initialize: xavierUniform(inputs, outputs),
});

const norm = (name: string, width: number): readonly Parameter[] => [
  { name: `${name}.scale`, shape: [width], initialize: ones },
  { name: `${name}.shift`, shape: [width], initialize: zeros },
];

function layerParameters({ width }: Spec, layer: number): readonly Parameter[] {
  const of = (name: string) => inLayer(layer, name);
  return [
    ...norm(of('attention'), width),
    ...['query', 'key', 'value', 'out'].map((name) => matrix(of(name), width, width)),
    ...norm(of('network'), width),
    matrix(of('in.weights'), width, expansion * width),
    { name: of('in.bias'), shape: [expansion * width], initialize: zeros },
    matrix(of('out.weights'), expansion * width, width),
    { name: of('out.bias'), shape: [width], initialize: zeros },
  ];
}

export const inContext = defineAlgorithm({
  name: 'in-context',
  title: 'in-context transformer',
  summary: 'a transformer that reads the support set and predicts for the queries, without any gradient step',
  paper: 'Müller, Hollmann, Arango, Grabocka & Hutter 2022',
  schema,
  variants: { 'two layers': { width: 6, layers: 2, heads: 2 } },
  describe: ({ width, layers }) =>
    width && layers ? `in-context transformer of ${layers} layers, ${width} wide` : 'in-context transformer',
  needs: supportNeeded,
  needsModel: (parameters) => bodyAndHeadNeeded(parameters) ?? featuresNeeded(parameters),
  check({ width, heads }) {
    if (width % heads === 0) return [];
    return [{ field: 'algorithm.heads', got: String(heads), accepted: `a divisor of algorithm.width, ${width}` }];
  },
  parameters(spec, model, { outputs }) {
    const features = featureCount(model)!;
    return [
      ...bodyOf(model),
      matrix('token.features', features, spec.width),
      matrix('token.targets', outputs, spec.width),
      { name: 'token.query', shape: [spec.width], initialize: zeros },
      ...Array.from({ length: spec.layers }, (_, layer) => layerParameters(spec, layer)).flat(),
      ...norm('prediction', spec.width),
      matrix('prediction.weights', spec.width, outputs),
      { name: 'prediction.bias', shape: [outputs], initialize: zeros },
    ];
  },
  axis: () => noAxis,
  // the support set's and the query set's, and as much again for the transformer
  passes: ({ layers }) => 2 + 4 * layers,
  cel({ width, layers, heads }, { task }) {
    const ofLayer = `${4 + 2 * expansion} * ${width} * ${width} + ${5 + expansion} * ${width}`;
    return {
      needs: supportNeededCel(task),
      needsModel: bodyAndHeadNeededCel,
      check: [{ rule: `${width} % ${heads} == 0`, message: 'algorithm.heads: accepted: a divisor of algorithm.width' }],
      parameters: ({ body, features }) =>
        `${body} + (${features} + 2 * ${task.outputs} + 3) * ${width} + ${layers} * (${ofLayer}) + ${task.outputs}`,
      axis: 'none',
      passes: `2 + 4 * ${layers}`,
    };
  },
  build({ width, layers, heads }, kit) {
    const { tf } = kit;
    const size = width / heads;
    const times = (params: NamedTensors, x: tfjs.Tensor, name: string) =>
      tf.matMul(x as tfjs.Tensor2D, params[name] as tfjs.Tensor2D);
    const normed = (params: NamedTensors, x: tfjs.Tensor2D, name: string): tfjs.Tensor2D => {
      const centred = tf.sub(x, tf.mean(x, 1, true));
      const variance = tf.mean(tf.square(centred), 1, true);
      const even = tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon)));
      return tf.add(tf.mul(even, params[`${name}.scale`]!), params[`${name}.shift`]!);
    };
    /** [tokens, width] → [heads, tokens, size] */
    const split = (x: tfjs.Tensor): tfjs.Tensor => tf.transpose(tf.reshape(x, [-1, heads, size]), [1, 0, 2]);
    const attend = (queries: tfjs.Tensor, keys: tfjs.Tensor, values: tfjs.Tensor): tfjs.Tensor2D => {
      const scores = tf.mul(tf.matMul(queries, keys, false, true), 1 / Math.sqrt(size));
      const mixed = tf.matMul(tf.softmax(scores), values);
      return tf.reshape(tf.transpose(mixed, [1, 0, 2]), [-1, width]);
    };
    const featureTokens = (params: NamedTensors, inputs: tfjs.Tensor) =>
      times(params, kit.model.features!(params, inputs), 'token.features');

    /** The tokens after every layer. `memoryOf`: keys and values of the support set, from the layer's normed tokens. */
    const through = (
      params: NamedTensors,
      tokens: tfjs.Tensor2D,
      memoryOf: (layer: number, normed: tfjs.Tensor2D) => { readonly keys: tfjs.Tensor; readonly values: tfjs.Tensor },
    ): tfjs.Tensor2D => {
      let x = tokens;
      for (let layer = 0; layer < layers; layer++) {
        const of = (name: string) => inLayer(layer, name);
        const before = normed(params, x, of('attention'));
        const { keys, values } = memoryOf(layer, before);
        const attended = attend(split(times(params, before, of('query'))), keys, values);
        x = tf.add(x, times(params, attended, of('out')));
        const hidden = times(params, normed(params, x, of('network')), of('in.weights'));
        const active = tf.relu(tf.add(hidden, params[of('in.bias')]!));
        x = tf.add(x, tf.add(times(params, active, of('out.weights')), params[of('out.bias')]!));
      }
      return x;
    };

    const stateOf = (params: NamedTensors, task: NamedTensors): NamedTensors => {
      const support = kit.supportSet(task);
      const state = kit.stateOf(params, support);
      const labels = times(params, support.targets, 'token.targets');
      const memory: Record<string, tfjs.Tensor> = {};
      through(
        state,
        tf.add(featureTokens(kit.forExamples(state, support), support.inputs), labels),
        (layer, before) => {
          const keys = split(times(params, before, inLayer(layer, 'key')));
          const values = split(times(params, before, inLayer(layer, 'value')));
          Object.assign(memory, { [`memory.${layer}.keys`]: keys, [`memory.${layer}.values`]: values });
          return { keys, values };
        },
      );
      return { ...state, ...memory };
    };
    const predict = (state: NamedTensors, inputs: tfjs.Tensor): tfjs.Tensor2D => {
      const tokens: tfjs.Tensor2D = tf.add(featureTokens(state, inputs), state['token.query']!);
      const read = through(state, tokens, (layer) => ({
        keys: state[`memory.${layer}.keys`]!,
        values: state[`memory.${layer}.values`]!,
      }));
      const logits = times(state, normed(state, read, 'prediction'), 'prediction.weights');
      return tf.add(logits, state['prediction.bias']!);
    };
    return {
      *adapt(theta, task) {
        yield stateOf(theta, task);
      },
      predict: (_theta, state, inputs) => predict(state, inputs),
      train(theta, task) {
        const query = kit.querySet(task);
        const adapt = (params: NamedTensors) => stateOf(params, task);
        const { loss, predictions, gradients } = kit.differentiate(theta, adapt, query, predict);
        return kit.outputs(gradients, loss, predictions, query.targets);
      },
    };
  },
});
