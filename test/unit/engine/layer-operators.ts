// The catalogue's layers: what a model is built of, from dense layers to attention.
import type { NamedTensors } from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import {
  bent,
  elementwise,
  float,
  integer,
  mixed,
  mixing,
  normalized,
  type OperatorCase,
  type OperatorFamily,
  oneHot,
  positive,
  type T2,
  type T3,
  type T4,
} from './operator-case.ts';

const image = { params: { w: float(3, 3, 2, 3) }, task: { x: float(2, 6, 6, 2) } } as const;

function convolution(
  name: string,
  strides: number | [number, number],
  pad: 'same' | 'valid' | number,
  dilations: number | [number, number] = 1,
): OperatorCase {
  return {
    name,
    ...image,
    apply: ({ w }, { x }) => tf.conv2d(x as T4, w as T4, strides, pad, 'NHWC', dilations),
  };
}

/** A pool of a convolution, so that there is a parameter behind it. */
function pool(name: string, fn: (x: T4) => tf.Tensor): OperatorCase {
  return {
    name,
    params: { w: float(1, 1, 2, 2) },
    task: { x: float(2, 6, 6, 2) },
    apply: ({ w }, { x }) => fn(tf.conv2d(x as T4, w as T4, 1, 'same')),
    ...bent,
  };
}

const normParams = { w: float(1, 1, 2, 4), scale: float(4), offset: float(4) } as const;

function norm(name: string, fn: (x: T4) => tf.Tensor): OperatorCase {
  return {
    name,
    params: normParams,
    task: { x: float(3, 4, 4, 2) },
    apply: ({ w, scale, offset }, { x }) =>
      // squared, or the mean of a normalised tensor's squares would not depend on w
      tf.square(tf.add(tf.mul(fn(tf.conv2d(x as T4, w as T4, 1, 'same')), scale!), offset!)),
  };
}

/** One step of an LSTM: Hochreiter & Schmidhuber 1997 with forget gates. */
function lstmStep(params: NamedTensors, x: T2, h: T2, c: T2): [T2, T2] {
  const gates = tf.add(tf.add(tf.matMul(x, params.input as T2), tf.matMul(h, params.recurrent as T2)), params.bias!);
  const [i, f, g, o] = tf.split(gates, 4, 1) as [T2, T2, T2, T2];
  const next = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g))) as T2;
  return [tf.mul(tf.sigmoid(o), tf.tanh(next)) as T2, next];
}

/** One step of a GRU: Cho et al. 2014. */
function gruStep(params: NamedTensors, x: T2, h: T2): T2 {
  const input = tf.add(tf.matMul(x, params.input as T2), params.bias!);
  const recurrent = tf.matMul(h, params.recurrent as T2);
  const [updateX, resetX, newX] = tf.split(input, 3, 1) as [T2, T2, T2];
  const [updateH, resetH, newH] = tf.split(recurrent, 3, 1) as [T2, T2, T2];
  const update = tf.sigmoid(tf.add(updateX, updateH));
  const candidate = tf.tanh(tf.add(newX, tf.mul(tf.sigmoid(tf.add(resetX, resetH)), newH)));
  return tf.add(tf.mul(update, h), tf.mul(tf.sub(1, update), candidate)) as T2;
}

function recurrent(name: string, gates: number, run: (params: NamedTensors, steps: T2[]) => tf.Tensor): OperatorCase {
  return {
    name,
    params: { input: float(2, 3 * gates), recurrent: float(3, 3 * gates), bias: float(3 * gates) },
    task: { x: float(2, 3, 2) },
    apply: (params, { x }) => run(params, tf.unstack(x!, 1) as T2[]),
  };
}

/** softmax(q·kᵀ / √d + mask) · v over [batch, heads, length, d]. Vaswani et al. 2017, equation 1. */
function attention(params: NamedTensors, x: tf.Tensor, heads: number, mask?: tf.Tensor): tf.Tensor {
  const [batch, length, width] = x.shape as [number, number, number];
  const size = width / heads;
  const project = (name: string) =>
    tf.transpose(
      tf.reshape(tf.matMul(tf.reshape(x, [batch * length, width]), params[name] as T2), [batch, length, heads, size]),
      [0, 2, 1, 3],
    );
  const scores = tf.mul(tf.matMul(project('query'), project('key'), false, true), 1 / Math.sqrt(size));
  const weights = tf.softmax(mask === undefined ? scores : tf.add(scores, mask));
  const joined = tf.transpose(tf.matMul(weights, project('value')), [0, 2, 1, 3]);
  return tf.matMul(tf.reshape(joined, [batch * length, width]), params.output as T2);
}

const attentionCase = {
  params: { query: float(4, 4), key: float(4, 4), value: float(4, 4), output: float(4, 4) },
  task: { x: float(2, 3, 4) },
} as const;

export const layerFamilies: readonly OperatorFamily[] = [
  {
    family: 'Dense',
    cases: [
      {
        name: 'dense layer (`matMul`, bias)',
        params: { w: float(3, 5), b: float(5) },
        task: { x: float(4, 3) },
        apply: ({ w, b }, { x }) => tf.add(tf.matMul(x as T2, w as T2), b!),
      },
      {
        name: '`matMul` with both operands transposed',
        params: { w: float(5, 4) },
        task: { x: float(4, 3) },
        apply: ({ w }, { x }) => tf.matMul(x as T2, w as T2, true, true),
      },
      {
        name: '`matMul` in batches',
        params: { w: float(2, 3, 5) },
        task: { x: float(2, 4, 3) },
        apply: ({ w }, { x }) => tf.matMul(x as T3, w as T3),
      },
      {
        name: '`dot`, `outerProduct`',
        params: { w: float(3) },
        task: { x: float(3) },
        apply: ({ w }, { x }) => tf.mul(tf.outerProduct(w as tf.Tensor1D, x as tf.Tensor1D), tf.dot(w!, x!)),
      },
    ],
  },
  {
    family: 'Convolution',
    cases: [
      convolution('`conv2d`, same', 1, 'same'),
      convolution('`conv2d`, valid', 1, 'valid'),
      convolution('`conv2d`, stride 2, same', 2, 'same'),
      convolution('`conv2d`, strides 2 × 3, valid', [2, 3], 'valid'),
      convolution('`conv2d`, explicit padding', 1, 2),
      convolution('`conv2d`, dilated', 1, 'same', 2),
      {
        name: '`conv1d`',
        params: { w: float(3, 2, 3) },
        task: { x: float(2, 7, 2) },
        apply: ({ w }, { x }) => tf.conv1d(x as T3, w as T3, 2, 'same'),
      },
      {
        name: '`conv2dTranspose`',
        params: { w: float(3, 3, 3, 2) },
        task: { x: float(2, 3, 3, 2) },
        apply: ({ w }, { x }) => tf.conv2dTranspose(x as T4, w as T4, [2, 6, 6, 3], 2, 'same'),
      },
      {
        name: '`depthwiseConv2d`',
        params: { w: float(3, 3, 2, 2) },
        task: { x: float(2, 5, 5, 2) },
        apply: ({ w }, { x }) => tf.depthwiseConv2d(x as T4, w as T4, 1, 'same'),
      },
      {
        name: '`depthwiseConv2d`, stride 2, valid',
        params: { w: float(3, 3, 2, 2) },
        task: { x: float(2, 6, 6, 2) },
        apply: ({ w }, { x }) => tf.depthwiseConv2d(x as T4, w as T4, 2, 'valid'),
      },
      {
        name: '`separableConv2d`',
        params: { w: float(3, 3, 2, 2), v: float(1, 1, 4, 3) },
        task: { x: float(2, 5, 5, 2) },
        apply: ({ w, v }, { x }) => tf.separableConv2d(x as T4, w as T4, v as T4, 1, 'same'),
      },
    ],
  },
  {
    family: 'Pooling',
    cases: [
      pool('`maxPool`, tiling', (x) => tf.maxPool(x, 2, 2, 'valid')),
      pool('`maxPool`, overlapping, same', (x) => tf.maxPool(x, 3, 2, 'same')),
      pool('`avgPool`, tiling', (x) => tf.avgPool(x, 2, 2, 'valid')),
      pool('`avgPool`, overlapping, same', (x) => tf.avgPool(x, 3, 2, 'same')),
      pool('global average', (x) => tf.mean(x, [1, 2])),
      pool('global maximum', (x) => tf.max(x, [1, 2])),
    ],
  },
  {
    family: 'Normalisation',
    cases: [
      norm("batch norm on the batch's statistics", (x) => normalized(x, [0, 1, 2])),
      {
        name: '`batchNorm` with given statistics',
        params: normParams,
        task: { x: float(3, 4, 4, 2), mean: float(4), variance: float(4) },
        apply: ({ w, scale, offset }, { x, mean, variance }) => {
          const hidden = tf.conv2d(x as T4, w as T4, 1, 'same');
          return tf.batchNorm(
            hidden,
            mean as tf.Tensor1D,
            positive(variance!) as tf.Tensor1D,
            offset as tf.Tensor1D,
            scale as tf.Tensor1D,
          );
        },
      },
      norm('layer norm', (x) => normalized(x, [1, 2, 3])),
      norm('group norm', (x) => {
        const [batch, height, width, channels] = x.shape;
        const groups = tf.reshape(x, [batch, height * width, 2, channels / 2]);
        return tf.reshape(normalized(groups, [1, 3]), x.shape);
      }),
      norm('instance norm', (x) => normalized(x, [1, 2])),
      norm('RMS norm', (x) => tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-3)))),
      elementwise('`moments`', (x) => tf.mul(tf.moments(x, 1).variance, tf.moments(x, 1).mean)),
    ],
  },
  {
    family: 'Embeddings and indices',
    cases: [
      {
        name: 'embedding (`gather`)',
        params: { table: float(5, 3) },
        task: { index: integer(4) },
        labels: 5,
        apply: ({ table }, { index }) => tf.gather(table!, index as tf.Tensor1D),
      },
      {
        name: '`gather` along an inner axis',
        params: { table: float(2, 5, 3) },
        task: { index: integer(2, 3), x: float(3) },
        labels: 5,
        apply: ({ table }, { index, x }) => tf.gather(tf.mul(table!, x!), index as T2, 1),
      },
      {
        name: '`oneHot`',
        params: { w: float(5, 3) },
        task: { index: integer(4) },
        labels: 5,
        apply: ({ w }, { index }) => tf.matMul(oneHot(index!) as T2, w as T2),
      },
      {
        name: '`unsortedSegmentSum`',
        ...mixing,
        task: { ...mixing.task, index: integer(4) },
        labels: 3,
        apply: (params, task) => tf.unsortedSegmentSum(mixed(params, task), task.index as tf.Tensor1D, 3),
      },
      elementwise('`argMax`, `argMin`', (x) => tf.add(tf.argMax(x, 1), tf.argMin(x, 1)), undefined, {
        valuesOnly: true,
      }),
    ],
  },
  {
    family: 'Recurrent cells',
    cases: [
      recurrent('LSTM', 4, (params, steps) => {
        let h = tf.zeros([2, 3]) as T2;
        let c = h;
        for (const x of steps) [h, c] = lstmStep(params, x, h, c);
        return tf.concat([h, c], 1);
      }),
      recurrent('GRU', 3, (params, steps) => {
        let h = tf.zeros([2, 3]) as T2;
        for (const x of steps) h = gruStep(params, x, h);
        return h;
      }),
      recurrent('`basicLSTMCell`', 4, (params, steps) => {
        let h = tf.zeros([2, 3]) as T2;
        let c = h;
        const kernel = tf.concat([params.input as T2, params.recurrent as T2], 0);
        for (const x of steps) [c, h] = tf.basicLSTMCell(tf.scalar(1), kernel, params.bias as tf.Tensor1D, x, c, h);
        return h;
      }),
    ],
  },
  {
    family: 'Attention',
    cases: [
      { name: 'attention, one head', ...attentionCase, apply: (params, { x }) => attention(params, x!, 1) },
      { name: 'attention, two heads', ...attentionCase, apply: (params, { x }) => attention(params, x!, 2) },
      {
        name: 'attention, causal mask',
        ...attentionCase,
        apply: (params, { x }) => {
          const allowed = tf.linalg.bandPart(tf.ones([3, 3]), -1, 0);
          return attention(params, x!, 2, tf.mul(tf.sub(1, allowed), -1e9));
        },
      },
      {
        name: "attention, a task's own mask (`where`)",
        ...attentionCase,
        task: { x: float(2, 3, 4), mask: integer(2, 1, 3, 3) },
        apply: (params, { x, mask }) =>
          attention(params, x!, 2, tf.where(tf.cast(mask!, 'bool'), tf.zerosLike(tf.cast(mask!, 'float32')), -1e9)),
      },
      {
        name: 'dropout with a given mask',
        ...mixing,
        task: { ...mixing.task, mask: integer(4, 5) },
        apply: (params, task) => tf.div(tf.mul(mixed(params, task), tf.cast(task.mask!, 'float32')), 0.5),
      },
    ],
  },
];
