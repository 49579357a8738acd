// Four blocks of 3×3 convolution, batch norm and relu, then a linear layer: the network of Vinyals et al. 2016 as MAML uses it (Finn et al. 2017, §5.2,
// and its code, `construct_conv_weights` and `conv_block`). `stride`: the convolutions step by 2 and the features are averaged over the image.
// `max-pool`: 2×2 max-pooling after each block, and the features are flattened.
// Batch norm normalises with the statistics of the very batch, in training and in test, and all its parameters are adapted in the inner loop.
import { MetatrainError } from '../../../shared/errors.ts';
import type { Conv4ModelSpec } from '../../../shared/job-spec/model.ts';
import { tf } from '../../engine/tf/tf.ts';
import { normal, ones, xavierUniform, zeros } from './initializers.ts';
import type { BuildModel, Parameter } from './model.ts';

const blocks = [1, 2, 3, 4] as const;
const kernel = 3;
/** The default of `tf.contrib.layers.batch_norm`, which MAML's code calls. */
const epsilon = 0.001;

export const buildConv4: BuildModel<Conv4ModelSpec> = (
  { filters, downsampling, batchNormScale, headInitialization },
  task,
) => {
  const [height, width, channels] = task.input as [number, number, number];
  if (task.input.length !== 3) throw refused(task.input, 'images [height, width, channels]');
  const pools = downsampling === 'max-pool';
  if (pools && Math.min(height, width) < 2 ** blocks.length) {
    throw refused(
      task.input,
      `images of at least ${2 ** blocks.length} × ${2 ** blocks.length}, which four poolings halve four times`,
    );
  }
  const features = pools ? (height >> blocks.length) * (width >> blocks.length) * filters : filters;

  return {
    parameters: [
      ...blocks.flatMap((block) => blockParameters(block, block === 1 ? channels : filters, filters, batchNormScale)),
      {
        name: 'linear.weights',
        shape: [features, task.outputs],
        // A deviation of 1 makes large logits: on the small Omniglot sets, 250 meta-steps reached 73 %
        // with it and 87 % with Xavier.
        initialize: headInitialization === 'normal' ? normal(1) : xavierUniform(features, task.outputs),
      },
      { name: 'linear.bias', shape: [task.outputs], initialize: zeros },
    ],
    isTransductive: true,
    predict(params, images) {
      let x = images as tf.Tensor4D;
      for (const block of blocks) {
        const sums = tf.conv2d(x, params[`conv${block}.filters`] as tf.Tensor4D, pools ? 1 : 2, 'same');
        const normed = batchNorm(sums, params[`conv${block}.scale`], params[`conv${block}.shift`]!);
        // relu after pooling gives what relu before it gives, on a quarter of the data
        x = tf.relu(pools ? maxPool(normed) : normed);
      }
      const pooled = pools ? tf.reshape(x, [-1, features]) : tf.mean(x, [1, 2]);
      return tf.add(tf.matMul(pooled as tf.Tensor2D, params['linear.weights'] as tf.Tensor2D), params['linear.bias']!);
    },
  };
};

/** A convolution has no bias: batch norm would subtract it again. */
function blockParameters(block: number, inputs: number, filters: number, hasScale: boolean): Parameter[] {
  const area = kernel * kernel;
  return [
    {
      name: `conv${block}.filters`,
      shape: [kernel, kernel, inputs, filters],
      initialize: xavierUniform(area * inputs, area * filters),
    },
    ...(hasScale ? [{ name: `conv${block}.scale`, shape: [filters], initialize: ones }] : []),
    { name: `conv${block}.shift`, shape: [filters], initialize: zeros },
  ];
}

/**
 * Scale · (x − mean) / √(variance + ε) + shift, without a scale when it is undefined; mean and variance
 * per channel over this batch. Ioffe & Szegedy 2015, algorithm 1.
 */
function batchNorm(x: tf.Tensor4D, scale: tf.Tensor | undefined, shift: tf.Tensor): tf.Tensor4D {
  const centred = tf.sub(x, tf.mean(x, [0, 1, 2]));
  const variance = tf.mean(tf.square(centred), [0, 1, 2]);
  const normalizer = tf.rsqrt(tf.add(variance, epsilon));
  const gain = scale ? tf.mul(scale, normalizer) : normalizer;
  return tf.add(tf.mul(centred, gain), shift);
}

/**
 * The largest of each 2×2 window, a last odd row or column left out. In pairwise maxima, whose gradient goes to one of two equals: that of
 * `tf.max` goes to each of them in full, four times too much where an image is blank (and `tf.maxPool` has no second derivative).
 */
function maxPool(x: tf.Tensor4D): tf.Tensor4D {
  const [examples, height, width, channels] = x.shape;
  const rows = height >> 1;
  const columns = width >> 1;
  const whole = tf.slice(x, [0, 0, 0, 0], [examples, 2 * rows, 2 * columns, channels]);
  const pairsOfRows = tf.reshape(whole, [examples, rows, 2, 2 * columns * channels]);
  const inRows = larger(pairsOfRows, 2);
  return tf.reshape(larger(tf.reshape(inRows, [examples, rows * columns, 2, channels]), 2), [
    examples,
    rows,
    columns,
    channels,
  ]);
}

/** The larger of the two halves along an axis of length 2. */
function larger(x: tf.Tensor, axis: number): tf.Tensor {
  const half = (index: number) => {
    const begin = x.shape.map((_, at) => (at === axis ? index : 0));
    const size = x.shape.map((length, at) => (at === axis ? 1 : length));
    return tf.slice(x, begin, size);
  };
  return tf.maximum(half(0), half(1));
}

function refused(input: readonly number[], accepted: string): MetatrainError {
  return new MetatrainError(
    'REQUEST_INVALID',
    `model.architecture: conv4 got inputs of shape [${input.join(', ')}]; accepted: ${accepted}`,
    {
      details: { field: 'model.architecture', input },
    },
  );
}
