// Four blocks of 3×3 convolution, batch norm and relu, then a linear layer: the network of Vinyals et al.
// 2016 as MAML uses it (Finn et al. 2017, §5.2, and its code, `construct_conv_weights` and `conv_block`).
// `stride`: the convolutions step by 2 and the features are averaged over the image. `max-pool`: 2×2
// max-pooling after each block, and the features are flattened. Batch norm normalises with the statistics
// of the very batch, in training and in test, and all its parameters are adapted in the inner loop.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import type { NamedTensors } from '../built.ts';
import type { Parameter, TaskFacts } from '../facts.ts';
import { normal, ones, xavierUniform, zeros } from '../kit/initializers.ts';
import type { Tf } from '../kit/tools.ts';
import { joined } from '../kit/words.ts';
import { defineModel } from '../part.ts';

const blocks = [1, 2, 3, 4] as const;
const kernel = 3;
/** The default of `tf.contrib.layers.batch_norm`, which MAML's code calls. */
const epsilon = 0.001;

const schema = z.strictObject({
  filters: z.int().min(1).max(4096).default(64),
  /** `stride`: stride 2, then the spatial mean (MAML on Omniglot). `max-pool`: stride 1, 2×2 max-pooling, then flatten. */
  downsampling: z.enum(['stride', 'max-pool']).default('max-pool'),
  /**
   * Whether batch norm multiplies by a learned scale besides adding a learned shift. The code of Finn
   * et al. 2017 only shifts.
   */
  batchNormScale: z.boolean().default(true),
  /**
   * Weights of the linear layer: `xavier` uniform, or `normal` with σ = 1 (the code of Finn et al. 2017
   * for averaged features). Its bias is zero.
   */
  headInitialization: z.enum(['xavier', 'normal']).default('xavier'),
});

type Conv4Spec = z.infer<typeof schema>;

export const conv4 = defineModel({
  name: 'conv4',
  title: 'four-block convolutional network',
  summary: 'four 3×3 convolutions with batch norm and relu, then a linear layer',
  paper: 'Vinyals et al. 2016; Finn, Abbeel & Levine 2017, §5.2',
  schema,
  variants: {
    stride: { filters: 3, downsampling: 'stride' },
    'max-pool': { filters: 3, downsampling: 'max-pool' },
    'as in the code of MAML': {
      filters: 3,
      downsampling: 'stride',
      batchNormScale: false,
      headInitialization: 'normal',
    },
  },
  sizeField: 'filters',
  needs({ input, inputKind }, { downsampling }) {
    if (inputKind !== 'image' || input.length !== 3) return 'images [height, width, channels]';
    const least = 2 ** blocks.length;
    if (downsampling === 'stride' || Math.min(input[0]!, input[1]!) >= least) return undefined;
    return `images of at least ${least} × ${least}, which four poolings halve four times`;
  },
  describe: ({ filters, downsampling, batchNormScale, headInitialization }) =>
    joined(
      ', ',
      filters ? `conv4 of ${filters} filters` : 'conv4',
      downsampling,
      typeof batchNormScale === 'boolean' && `batch norm ${batchNormScale ? 'with' : 'without'} a scale`,
      headInitialization && `${headInitialization} head`,
    ),
  parameters(spec, task) {
    const { filters, headInitialization } = spec;
    const channels = task.input[2]!;
    const features = featuresOf(spec, task);
    return [
      ...blocks.flatMap((block) => blockParameters(block, block === 1 ? channels : filters, spec)),
      {
        name: 'linear.weights',
        shape: [features, task.outputs],
        // A deviation of 1 makes large logits: on the small Omniglot sets, 250 meta-steps reached 73 %
        // with it and 87 % with Xavier.
        initialize: headInitialization === 'normal' ? normal(1) : xavierUniform(features, task.outputs),
        part: 'head',
      },
      { name: 'linear.bias', shape: [task.outputs], initialize: zeros, part: 'head' },
    ];
  },
  isTransductive: () => true,
  // a pass through conv4 makes as many operators as 26 layers of an mlp
  layers: () => 26,
  build(spec, { tf, task }) {
    const pools = spec.downsampling === 'max-pool';
    const width = featuresOf(spec, task);
    const features = (params: NamedTensors, images: tfjs.Tensor): tfjs.Tensor2D => {
      let x = images as tfjs.Tensor4D;
      for (const block of blocks) {
        const sums = tf.conv2d(x, params[`conv${block}.filters`] as tfjs.Tensor4D, pools ? 1 : 2, 'same');
        const normed = batchNorm(tf, sums, params[`conv${block}.scale`], params[`conv${block}.shift`]!);
        // relu after pooling gives what relu before it gives, on a quarter of the data
        x = tf.relu(pools ? maxPool(tf, normed) : normed);
      }
      return (pools ? tf.reshape(x, [-1, width]) : tf.mean(x, [1, 2])) as tfjs.Tensor2D;
    };
    return {
      features,
      predict: (params, images) =>
        tf.add(tf.matMul(features(params, images), params['linear.weights'] as tfjs.Tensor2D), params['linear.bias']!),
    };
  },
});

function featuresOf({ filters, downsampling }: Conv4Spec, { input }: TaskFacts): number {
  const [height, width] = input as [number, number];
  return downsampling === 'max-pool' ? (height >> blocks.length) * (width >> blocks.length) * filters : filters;
}

/** A convolution has no bias: batch norm would subtract it again. */
function blockParameters(block: number, inputs: number, { filters, batchNormScale }: Conv4Spec): Parameter[] {
  const area = kernel * kernel;
  return [
    {
      name: `conv${block}.filters`,
      shape: [kernel, kernel, inputs, filters],
      initialize: xavierUniform(area * inputs, area * filters),
    },
    ...(batchNormScale ? [{ name: `conv${block}.scale`, shape: [filters], initialize: ones }] : []),
    { name: `conv${block}.shift`, shape: [filters], initialize: zeros },
  ];
}

/**
 * Scale · (x − mean) / √(variance + ε) + shift, without a scale when it is undefined; mean and variance
 * per channel over this batch. Ioffe & Szegedy 2015, algorithm 1.
 */
function batchNorm(tf: Tf, x: tfjs.Tensor4D, scale: tfjs.Tensor | undefined, shift: tfjs.Tensor): tfjs.Tensor4D {
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
function maxPool(tf: Tf, x: tfjs.Tensor4D): tfjs.Tensor4D {
  const [examples, height, width, channels] = x.shape;
  const rows = height >> 1;
  const columns = width >> 1;
  const whole = tf.slice(x, [0, 0, 0, 0], [examples, 2 * rows, 2 * columns, channels]);
  const pairsOfRows = tf.reshape(whole, [examples, rows, 2, 2 * columns * channels]);
  const inRows = larger(tf, pairsOfRows, 2);
  return tf.reshape(larger(tf, tf.reshape(inRows, [examples, rows * columns, 2, channels]), 2), [
    examples,
    rows,
    columns,
    channels,
  ]);
}

/** The larger of the two halves along an axis of length 2. */
function larger(tf: Tf, x: tfjs.Tensor, axis: number): tfjs.Tensor {
  const half = (index: number) => {
    const begin = x.shape.map((_, at) => (at === axis ? index : 0));
    const size = x.shape.map((length, at) => (at === axis ? 1 : length));
    return tf.slice(x, begin, size);
  };
  return tf.maximum(half(0), half(1));
}
