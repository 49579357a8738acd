// Four residual blocks of three 3×3 convolutions with batch norm and leaky relu, a 1×1 convolution
// beside each, 2×2 max-pooling after it, and a linear layer on the spatial mean: ResNet-12 as in
// Lee, Maji, Ravichandran & Soatto 2019 (MetaOptNet, §4.1, and its code), after Oreshkin, Rodríguez
// López & Lacoste 2018. In training the first two blocks' outputs have dropout and the last two's
// DropBlock (Ghiasi, Lin & Le 2018): masks that are drawn for each task, one for every example, and
// stay the same through the inner steps. In evaluation and predictions nothing is dropped.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import type { Rng } from '../../shared/rng.ts';
import { elementsOf } from '../../shared/tensor-codec.ts';
import type { NamedTensors } from '../built.ts';
import { celNeed } from '../cel.ts';
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
import type { Masks } from '../kit/given.ts';
import { normal, xavierUniform, zeros } from '../kit/initializers.ts';
import { maxPool } from '../kit/max-pool.ts';
import { joined } from '../kit/words.ts';
import { defineModel } from '../part.ts';

const convolutions = [1, 2, 3] as const;
/** Slope of leaky relu below 0. */
const slope = 0.1;
/** Images are halved four times. */
const leastSide = 16;

const width = z.int().min(1).max(4096);

const schema = z.strictObject({
  /** Filters of each block. */
  widths: z.tuple([width, width, width, width]).default([64, 160, 320, 640]),
  batchNorm: batchNormField,
  /** Share of a block's output that training drops. 0: nothing is dropped and no mask is drawn. */
  dropRate: z.number().min(0).max(0.9).default(0.1),
  /** Side of the squares that the last two blocks drop, at most their output's side. 1: dropout. */
  dropBlockSize: z.int().min(1).max(64).default(5),
});

export const resnet12 = defineModel({
  name: 'resnet12',
  title: 'ResNet-12',
  summary: 'four residual blocks of three 3×3 convolutions, with DropBlock in training, then a linear layer',
  paper: 'Lee, Maji, Ravichandran & Soatto 2019; Oreshkin, Rodríguez López & Lacoste 2018',
  schema,
  variants: {
    'DropBlock and running statistics': {
      widths: [2, 2, 2, 3],
      batchNorm: 'running',
      dropRate: 0.2,
      dropBlockSize: 2,
    },
  },
  namesLayers: true,
  sizeField: 'widths',
  needs(task, { batchNorm }) {
    const { input, inputKind } = task;
    const lacking = batchNormNeeds(batchNorm, task);
    if (lacking !== undefined) return lacking;
    if (inputKind !== 'image' || input.length !== 3) return 'images [height, width, channels]';
    if (Math.min(input[0]!, input[1]!) >= leastSide) return undefined;
    return `images of at least ${leastSide} × ${leastSide}, which four poolings halve four times`;
  },
  describe: ({ widths, batchNorm, dropRate, dropBlockSize }) =>
    joined(
      ', ',
      widths ? `ResNet-12 of ${widths.join(', ')} filters` : 'ResNet-12',
      batchNormWords(batchNorm),
      dropRate && `dropout of ${100 * dropRate} %${dropBlockSize ? ` in blocks of ${dropBlockSize}` : ''}`,
    ),
  parameters(spec, task) {
    const { widths, batchNorm } = spec;
    const features = widths[3];
    return [
      ...widths.flatMap((filters, index) => blockParameters(index + 1, widths[index - 1] ?? task.input[2]!, filters)),
      {
        name: 'linear.weights',
        shape: [features, task.outputs],
        initialize: xavierUniform(features, task.outputs),
        part: 'head',
      },
      { name: 'linear.bias', shape: [task.outputs], initialize: zeros, part: 'head' },
      ...runningStatistics(
        batchNorm,
        widths.flatMap((filters, index) =>
          [...convolutions.map((layer) => convolution(index + 1, layer)), shortcut(index + 1)].map(
            (name) => [name, filters] as const,
          ),
        ),
      ),
    ];
  },
  masks: ({ widths, dropRate, dropBlockSize }, { input }) =>
    dropRate === 0
      ? {}
      : Object.fromEntries(
          widths.map((filters, index) => {
            const shape = sidesAfter(index + 1, input);
            const size = index < 2 ? 1 : dropBlockSize;
            return [mask(index + 1), dropBlock([...shape, filters], dropRate, size)];
          }),
        ),
  pytorch({ widths, batchNorm }, task) {
    const made = widths.flatMap((filters, index) => {
      const block = index + 1;
      const inputs = widths[index - 1] ?? task.input[2]!;
      return [shortcut(block), ...convolutions.map((layer) => convolution(block, layer))].flatMap((name) => {
        const isShortcut = name === shortcut(block);
        const from = isShortcut || name === convolution(block, 1) ? inputs : filters;
        const self = selfOf(name);
        const kernel = isShortcut ? '1' : '3, padding=1';
        return [`${self} = nn.Conv2d(${from}, ${filters}, ${kernel}, bias=False)`, `${self}_norm = Norm(${filters})`];
      });
    });
    const normed = (name: string, x: string) => `${selfOf(name)}_norm(${selfOf(name)}(${x}))`;
    const steps = [1, 2, 3, 4].flatMap((block) => [
      `residual = ${normed(shortcut(block), 'x')}`,
      ...convolutions.map(
        (layer) => `x = ${normed(convolution(block, layer), layer === 1 ? 'x' : `F.leaky_relu(x, ${slope})`)}`,
      ),
      `x = F.max_pool2d(F.leaky_relu(x + residual, ${slope}), 2)`,
    ]);
    return {
      layers: made,
      features: [...steps, 'return x.mean((2, 3))'],
      head: { name: 'linear', layer: `nn.Linear(${widths[3]}, ${task.outputs})` },
      statistics: batchNorm,
    };
  },
  isTransductive: ({ batchNorm }) => batchNorm === 'batch',
  // a pass makes as many operators as 104 layers of an mlp: conv4 with a maximum instead of relu,
  // four times
  layers: () => 104,
  cel({ widths, batchNorm, dropRate }, { task }) {
    const [height = '0', width = '0', channels = '0'] = task.input;
    const filters = [0, 1, 2, 3].map((index) => `${widths}[${index}]`);
    const isImage = task.inputKind === 'image' && task.input.length === 3;
    const isLarge = task.isLeastInput ? 'true' : `${height} >= ${leastSide} && ${width} >= ${leastSide}`;
    const body = filters
      .map((own, index) => `${own} * (10 * ${filters[index - 1] ?? channels} + 18 * ${own} + 8)`)
      .join(' + ');
    const masks = filters.map((own, index) => `${height} / ${2 << index} * (${width} / ${2 << index}) * ${own}`);
    return {
      needs: isImage
        ? {
            rule: `(${isLarge}) && ${batchNormCel(batchNorm, task)}`,
            message: `needs images of at least ${leastSide} × ${leastSide}, and no sequences`,
          }
        : celNeed(false, 'images [height, width, channels]'),
      parameters: {
        body,
        head: `(${filters[3]} + 1) * ${task.outputs}`,
        features: filters[3]!,
        // 16 convolutions with a scale and a shift each, and the head's two
        tensors: '50',
        normalization: `8 * (${filters.join(' + ')})`,
        normalizationTensors: '32',
        running: `(${batchNorm} == 'running' ? 8 : 0) * (${filters.join(' + ')})`,
      },
      layers: '104',
      masks: `(${dropRate} == 0.0 ? 0 : ${masks.join(' + ')})`,
      // four blocks and the head: their movement and the similarity of their outputs
      insights: '10',
    };
  },
  build(spec, { tf, layer: named }) {
    const leaky = (x: tfjs.Tensor4D): tfjs.Tensor4D => tf.maximum(tf.mul(x, slope), x);
    const forward = (params: NamedTensors, images: tfjs.Tensor) => {
      const taken: TakenStatistics = {};
      const convolved = (x: tfjs.Tensor4D, name: string): tfjs.Tensor4D =>
        batchNorm(tf, params, name, tf.conv2d(x, params[`${name}.filters`] as tfjs.Tensor4D, 1, 'same'), taken);
      let x = images as tfjs.Tensor4D;
      for (const block of [1, 2, 3, 4]) {
        const residual = convolved(x, shortcut(block));
        for (const layer of convolutions) {
          x = convolved(layer === 1 ? x : leaky(x), convolution(block, layer));
        }
        x = maxPool(tf, leaky(tf.add(x, residual)));
        const kept = params[mask(block)];
        x = named(`block${block}`, kept ? tf.mul(x, kept) : x);
      }
      return { features: tf.mean(x, [1, 2]) as tfjs.Tensor2D, taken };
    };
    const features = (params: NamedTensors, images: tfjs.Tensor) => forward(params, images).features;
    return {
      features,
      ...statisticsHooks(tf, spec.batchNorm, (params, images) => forward(params, images).taken),
      predict: (params, images) => {
        const products = tf.matMul(features(params, images), params['linear.weights'] as tfjs.Tensor2D);
        return named('linear', tf.add(products, params['linear.bias']!));
      },
    };
  },
});

const convolution = (block: number, layer: number): string => `block${block}.conv${layer}`;
const shortcut = (block: number): string => `block${block}.shortcut`;
/** The module of a layer in PyTorch. */
const selfOf = (name: string): string => `self.${name.replaceAll('.', '_')}`;
const mask = (block: number): string => `block${block}.mask`;

/** Height and width after so many poolings. */
const sidesAfter = (poolings: number, [height, width]: TaskFacts['input']): readonly [number, number] => [
  height! >> poolings,
  width! >> poolings,
];

/**
 * A convolution has no bias: batch norm would subtract it again. He's initialization by outputs, as
 * in MetaOptNet's code (He et al. 2015).
 */
function blockParameters(block: number, inputs: number, filters: number): Parameter[] {
  const layer = (name: string, side: number, from: number): Parameter[] => [
    {
      name: `${name}.filters`,
      shape: [side, side, from, filters],
      initialize: normal(Math.sqrt(2 / (1 + 0.01 ** 2) / (side * side * filters))),
    },
    ...scaleAndShift(name, filters),
  ];
  return [
    ...convolutions.flatMap((number) => layer(convolution(block, number), 3, number === 1 ? inputs : filters)),
    ...layer(shortcut(block), 1, inputs),
  ];
}

/**
 * DropBlock's masks (Ghiasi et al. 2018, algorithm 1, a mask for each channel): squares of `size` ×
 * `size` are 0, all else is what makes the mean 1. A square's corner is drawn with γ = rate / size²
 * · side² / (side − size + 1)², so that about the wanted share is dropped; a size of 1 is dropout.
 *
 * @param shape [height, width, channels]
 */
function dropBlock(shape: readonly [number, number, number], rate: number, wantedSize: number): Masks[string] {
  const [height, width, channels] = shape;
  const size = Math.min(wantedSize, height, width);
  const [rows, columns] = [height - size + 1, width - size + 1];
  const gamma = Math.min(1, ((rate / size ** 2) * height * width) / (rows * columns));
  const ofExample = elementsOf(shape);
  return {
    shape,
    draw(rng: Rng, masks: Float32Array) {
      masks.fill(1);
      const corners = (masks.length / ofExample) * rows * columns * channels;
      for (let at = gap(rng, gamma); at < corners; at += 1 + gap(rng, gamma)) {
        const channel = at % channels;
        const column = Math.floor(at / channels) % columns;
        const row = Math.floor(at / (channels * columns)) % rows;
        const example = Math.floor(at / (channels * columns * rows));
        for (let y = row; y < row + size; y++) {
          for (let x = column; x < column + size; x++) {
            masks[example * ofExample + (y * width + x) * channels + channel] = 0;
          }
        }
      }
      let kept = 0;
      for (const value of masks) kept += value;
      // where all is dropped there is nothing to scale
      if (kept > 0) for (let i = 0; i < masks.length; i++) masks[i] = masks[i]! * (masks.length / kept);
    },
  };
}

/** How many trials fail before one of probability `p` succeeds: geometric, by inversion. */
const gap = (rng: Rng, p: number): number => (p >= 1 ? 0 : Math.floor(Math.log(1 - rng.uniform()) / Math.log(1 - p)));
