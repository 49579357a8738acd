// Four blocks of 3×3 convolution, batch norm and relu, then a linear layer: the network of Vinyals et al.
// 2016 as MAML uses it (Finn et al. 2017, §5.2, and its code, `construct_conv_weights` and `conv_block`).
// `stride`: the convolutions step by 2 and the features are averaged over the image. `max-pool`: 2×2
// max-pooling after each block, and the features are flattened. Batch norm's scale and shift are adapted in
// the inner loop. It normalises with the statistics of the very batch, in training and in test, or with
// those of the support set or running ones, which make predictions for one query independent of the others.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import type { NamedTensors } from '../built.ts';
import { type CelFacts, type CelRule, celNeed } from '../cel.ts';
import type { Parameter, TaskFacts } from '../facts.ts';
import {
  batchNorm,
  batchNormCel,
  batchNormField,
  batchNormNeeds,
  batchNormWords,
  runningStatistics,
  scaleAndShift,
  statisticsHooks,
  type TakenStatistics,
} from '../kit/batch-norm.ts';
import { normal, xavierUniform, zeros } from '../kit/initializers.ts';
import { maxPool } from '../kit/max-pool.ts';
import { joined } from '../kit/words.ts';
import { defineModel } from '../part.ts';

const blocks = [1, 2, 3, 4] as const;
const kernel = 3;

const schema = z.strictObject({
  filters: z.int().min(1).max(4096).default(64),
  /** `stride`: stride 2, then the spatial mean (MAML on Omniglot). `max-pool`: stride 1, 2×2 max-pooling, then flatten. */
  downsampling: z.enum(['stride', 'max-pool']).default('max-pool'),
  batchNorm: batchNormField,
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
    'statistics of the support set': { filters: 3, downsampling: 'stride', batchNorm: 'support' },
    'running statistics': { filters: 3, downsampling: 'stride', batchNorm: 'running' },
    'as in the code of MAML': {
      filters: 3,
      downsampling: 'stride',
      batchNormScale: false,
      headInitialization: 'normal',
    },
  },
  namesLayers: true,
  sizeField: 'filters',
  needs(task, { downsampling, batchNorm }) {
    const { input, inputKind } = task;
    const lacking = batchNormNeeds(batchNorm, task);
    if (lacking !== undefined) return lacking;
    if (inputKind !== 'image' || input.length !== 3) return 'images [height, width, channels]';
    const least = 2 ** blocks.length;
    if (downsampling === 'stride' || Math.min(input[0]!, input[1]!) >= least) return undefined;
    return `images of at least ${least} × ${least}, which four poolings halve four times`;
  },
  describe: ({ filters, downsampling, batchNorm, batchNormScale, headInitialization }) =>
    joined(
      ', ',
      filters ? `conv4 of ${filters} filters` : 'conv4',
      downsampling,
      typeof batchNormScale === 'boolean' && `batch norm ${batchNormScale ? 'with' : 'without'} a scale`,
      batchNormWords(batchNorm),
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
      ...runningStatistics(
        spec.batchNorm,
        blocks.map((block) => [`conv${block}`, filters]),
      ),
    ];
  },
  pytorch(spec, task) {
    const { filters, downsampling, batchNorm, batchNormScale } = spec;
    const pools = downsampling === 'max-pool';
    const stride = pools ? 1 : 2;
    let [height, width] = task.input as [number, number];
    const steps = blocks.map((block) => {
      // an even side gets one row of zeros, at its end; an odd one a row at each end
      const [top, left] = pools ? [1, 1] : [height % 2, width % 2];
      [height, width] = pools ? [height >> 1, width >> 1] : [Math.ceil(height / 2), Math.ceil(width / 2)];
      const normed = `self.conv${block}_norm(self.conv${block}(F.pad(x, (${left}, 1, ${top}, 1))))`;
      return `x = F.relu(${pools ? `F.max_pool2d(${normed}, 2)` : normed})`;
    });
    return {
      layers: blocks.flatMap((block) => [
        `self.conv${block} = nn.Conv2d(${block === 1 ? task.input[2] : filters}, ${filters}, 3, stride=${stride}, bias=False)`,
        `self.conv${block}_norm = Norm(${filters}${batchNormScale ? '' : ', has_scale=False'})`,
      ]),
      // height and width come before the channels in the features
      features: [...steps, pools ? 'return x.permute(0, 2, 3, 1).flatten(1)' : 'return x.mean((2, 3))'],
      head: { name: 'linear', layer: `nn.Linear(${featuresOf(spec, task)}, ${task.outputs})` },
      statistics: batchNorm,
    };
  },
  isTransductive: ({ batchNorm }) => batchNorm === 'batch',
  // a pass through conv4 makes as many operators as 26 layers of an mlp
  layers: () => 26,
  cel({ filters, downsampling, batchNorm, batchNormScale }, { task }) {
    const [height = '0', width = '0', channels = '0'] = task.input;
    const pooled = `(${height} / 16) * (${width} / 16) * ${filters}`;
    const features = `${downsampling} == 'max-pool' ? ${pooled} : ${filters}`;
    const norms = `${batchNormScale} ? 8 : 4`;
    return {
      needs: needsCel(downsampling, batchNorm, task),
      parameters: {
        body: `9 * ${filters} * (${channels} + 3 * ${filters}) + (${norms}) * ${filters}`,
        head: `((${features}) + 1) * ${task.outputs}`,
        features,
        tensors: `6 + (${norms})`,
        normalization: `(${norms}) * ${filters}`,
        normalizationTensors: norms,
        running: `(${batchNorm} == 'running' ? 8 : 0) * ${filters}`,
      },
      layers: '26',
      // four blocks and the head: their movement and the similarity of their outputs
      insights: '10',
    };
  },
  build(spec, { tf, task, layer }) {
    const pools = spec.downsampling === 'max-pool';
    const width = featuresOf(spec, task);
    const forward = (params: NamedTensors, images: tfjs.Tensor) => {
      let x = images as tfjs.Tensor4D;
      const taken: TakenStatistics = {};
      for (const block of blocks) {
        const sums = tf.conv2d(x, params[`conv${block}.filters`] as tfjs.Tensor4D, pools ? 1 : 2, 'same');
        const normed = batchNorm(tf, params, `conv${block}`, sums, taken);
        // relu after pooling gives what relu before it gives, on a quarter of the data
        x = layer(`conv${block}`, tf.relu(pools ? maxPool(tf, normed) : normed));
      }
      return { features: (pools ? tf.reshape(x, [-1, width]) : tf.mean(x, [1, 2])) as tfjs.Tensor2D, taken };
    };
    const features = (params: NamedTensors, images: tfjs.Tensor) => forward(params, images).features;
    return {
      features,
      ...statisticsHooks(tf, spec.batchNorm, (params, images) => forward(params, images).taken),
      predict: (params, images) =>
        layer(
          'linear',
          tf.add(
            tf.matMul(features(params, images), params['linear.weights'] as tfjs.Tensor2D),
            params['linear.bias']!,
          ),
        ),
    };
  },
});

function needsCel(downsampling: string, batchNorm: string, task: CelFacts): CelRule {
  if (task.inputKind !== 'image' || task.input.length !== 3) return celNeed(false, 'images [height, width, channels]');
  const [height, width] = task.input;
  const isLarge = task.isLeastInput ? 'true' : `${downsampling} == 'stride' || (${height} >= 16 && ${width} >= 16)`;
  return {
    rule: `(${isLarge}) && ${batchNormCel(batchNorm, task)}`,
    message: 'needs images of at least 16 × 16 with model.downsampling max-pool, and no sequences',
  };
}

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
    ...scaleAndShift(`conv${block}`, filters, batchNormScale),
  ];
}
