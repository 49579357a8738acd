// Convolutions for the fused executor: products of rows that hold what the filter's window covers,
// with channels last as in TensorFlow. The input gradient is the same with the filter rotated by
// 180°, so that all three products of a convolution add up many terms. A convolution that this pass
// does not cover stays, and its graph is not fused. Where the window moves by single pixels, a
// convolution's two gradients share the columns of the upstream gradient.
import { type GraphBuilder, rewriteGraph } from '../../graph/builder.ts';
import type { Graph, GraphNode, Operation, Window } from '../../graph/operation.ts';
import type { PassRequest } from '../pass.ts';

const nchwToNhwc = [0, 2, 3, 1];
const nhwcToNchw = [0, 3, 1, 2];
const oihwToHwio = [2, 3, 1, 0];
const hwioToOihw = [3, 2, 0, 1];

export function lowerConvolutions(graph: Graph, { newBuilder }: PassRequest): Graph {
  return rewriteGraph(graph, newBuilder(), ({ op, shape }, inputs, builder) => {
    switch (op.kind) {
      case 'conv2d':
        return op.groups === 1 ? convolution(builder, inputs[0]!, inputs[1]!, op, shape) : undefined;
      case 'convInputGradient':
        return hasProducts(op, inputs[1]!) ? inputGradient(builder, inputs[0]!, inputs[1]!, op) : undefined;
      case 'convFilterGradient':
        return op.groups === 1 ? filterGradient(builder, inputs[0]!, inputs[1]!, op) : undefined;
      default:
        return undefined;
    }
  });
}

/** Whether every class of pixels meets a part of the filter. */
function hasProducts({ groups, strides, dilations }: Window, filter: GraphNode): boolean {
  const isCovered = strides.every((stride, axis) => stride <= filter.shape[axis + 2]!);
  return groups === 1 && isCovered && dilations.every((n) => n === 1);
}

/** x [N, C, H, W], filter [O, C, kh, kw] → [N, O, h, w] */
function convolution(
  builder: GraphBuilder,
  x: GraphNode,
  filter: GraphNode,
  window: Window,
  shape: readonly number[],
): GraphNode {
  const [images, outChannels, height, width] = shape as [number, number, number, number];
  const hwio = builder.transpose(filter, oihwToHwio);
  const rows = columns(builder, x, window, [hwio.shape[0]!, hwio.shape[1]!], [height, width]);
  const product = builder.matmul(rows, builder.reshape(hwio, [rows.shape[1]!, outChannels]));
  return builder.transpose(builder.reshape(product, [images, height, width, outChannels]), nhwcToNchw);
}

/**
 * dy [N, O, h, w], filter [O, C, kh, kw] → [N, C, H, W]. A pixel at i = s·t + a meets the filter's
 * positions k with k ≡ a + pad (mod s), in the opposite order: for each of the s² classes of pixels
 * this is a convolution of dy by a part of the filter, and the classes are interleaved.
 */
function inputGradient(
  builder: GraphBuilder,
  dy: GraphNode,
  filter: GraphNode,
  op: Extract<Operation, { kind: 'convInputGradient' }>,
): GraphNode {
  const [images, inChannels] = [dy.shape[0]!, filter.shape[1]!];
  const [down, across] = op.strides;
  const size = [Math.ceil(op.inputSize[0] / down), Math.ceil(op.inputSize[1] / across)] as const;
  const classes: GraphNode[] = [];
  for (let row = 0; row < down; row++) {
    for (let column = 0; column < across; column++) {
      const product = gradientOfClass(builder, dy, filter, op, [row, column], size);
      classes.push(builder.reshape(product, [images, ...size, 1, inChannels]));
    }
  }
  const joined = builder.reshape(builder.concat(classes, 3), [images, ...size, down, across, inChannels]);
  const ordered = builder.transpose(joined, [0, 1, 3, 2, 4, 5]);
  const whole = builder.reshape(ordered, [images, size[0] * down, size[1] * across, inChannels]);
  const cut = builder.slice(whole, [0, 0, 0, 0], [images, ...op.inputSize, inChannels]);
  return builder.transpose(cut, nhwcToNchw);
}

function gradientOfClass(
  builder: GraphBuilder,
  dy: GraphNode,
  filter: GraphNode,
  { strides, pads }: Window,
  remainder: readonly [number, number],
  size: readonly [number, number],
): GraphNode {
  const [outChannels, inChannels, ...kernel] = filter.shape as [number, number, number, number];
  const first = strides.map((stride, axis) => (remainder[axis]! + pads[axis]!) % stride) as [number, number];
  const count = strides.map((stride, axis) => Math.ceil((kernel[axis]! - first[axis]!) / stride)) as [number, number];
  const before = strides.map((stride, axis) => {
    return count[axis]! - 1 - (remainder[axis]! + pads[axis]! - first[axis]!) / stride;
  });
  const rows = columns(builder, dy, singleSteps([before[0]!, before[1]!]), count, size);
  const part = builder.slice(
    builder.transpose(filter, oihwToHwio),
    [...first, 0, 0],
    [...count, inChannels, outChannels],
    [...strides, 1, 1],
  );
  const turned = builder.transpose(builder.make({ kind: 'reverse', axes: [0, 1] }, [part]), [2, 0, 1, 3]);
  const weights = builder.reshape(turned, [inChannels, count[0] * count[1] * outChannels]);
  return builder.matmul(rows, weights, { transposeB: true });
}

/** x [N, C, H, W], dy [N, O, h, w] → [O, C, kh, kw] */
function filterGradient(
  builder: GraphBuilder,
  x: GraphNode,
  dy: GraphNode,
  op: Extract<Operation, { kind: 'convFilterGradient' }>,
): GraphNode {
  // A first layer has no input gradient, and the columns of its images are much shorter.
  const isShared = [...op.strides, ...op.dilations].every((n) => n === 1) && 4 * x.shape[1]! >= dy.shape[1]!;
  return isShared ? sharedFilterGradient(builder, x, dy, op) : ownFilterGradient(builder, x, dy, op);
}

/**
 * From the columns of the input gradient: every pixel of x with all elements of dy that it
 * contributed to, in the opposite order of the filter's positions.
 */
function sharedFilterGradient(
  builder: GraphBuilder,
  x: GraphNode,
  dy: GraphNode,
  { filterSize, pads }: Extract<Operation, { kind: 'convFilterGradient' }>,
): GraphNode {
  const [images, inChannels, height, width] = x.shape as [number, number, number, number];
  const before = filterSize.map((length, axis) => length - 1 - pads[axis]!) as [number, number];
  const rows = columns(builder, dy, singleSteps(before), filterSize, [height, width]);
  const pixels = builder.reshape(builder.transpose(x, nchwToNhwc), [images * height * width, inChannels]);
  const product = builder.matmul(pixels, rows, { transposeA: true });
  const turned = builder.reshape(product, [inChannels, ...filterSize, dy.shape[1]!]);
  return builder.transpose(builder.make({ kind: 'reverse', axes: [1, 2] }, [turned]), [3, 0, 1, 2]);
}

function ownFilterGradient(
  builder: GraphBuilder,
  x: GraphNode,
  dy: GraphNode,
  op: Extract<Operation, { kind: 'convFilterGradient' }>,
): GraphNode {
  const [images, outChannels, height, width] = dy.shape as [number, number, number, number];
  const rows = columns(builder, x, op, op.filterSize, [height, width]);
  const upstream = builder.reshape(builder.transpose(dy, nchwToNhwc), [images * height * width, outChannels]);
  const product = builder.matmul(rows, upstream, { transposeA: true });
  const hwio = builder.reshape(product, [...op.filterSize, x.shape[1]!, outChannels]);
  return builder.transpose(hwio, hwioToOihw);
}

/** Pixel by pixel, with padding before the image; the columns' size says how far. */
function singleSteps(before: readonly [number, number]): Window {
  return { strides: [1, 1], dilations: [1, 1], groups: 1, pads: [...before, 0, 0] };
}

function columns(
  builder: GraphBuilder,
  x: GraphNode,
  { strides, dilations, pads }: Window,
  filterSize: readonly [number, number],
  outputSize: readonly [number, number],
): GraphNode {
  const window = { strides, dilations, groups: 1, pads };
  return builder.make({ kind: 'columns', ...window, filterSize, outputSize }, [builder.transpose(x, nchwToNhwc)]);
}
