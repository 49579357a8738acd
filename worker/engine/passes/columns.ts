// Convolutions for the fused executor: products of rows that hold what a filter's window has met, images last in channels as TensorFlow has them. The
// input gradient is the same with the filter turned round, so that all three products of a convolution are long in what they add up. A graph with a
// convolution that this does not cover keeps it, and is not fused.
import { type GraphBuilder, rewriteGraph } from '../graph/builder.ts';
import type { Graph, GraphNode, Operation, Window } from '../graph/operation.ts';
import type { PassRequest } from './pass.ts';

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
        return isUnitStride(op) ? inputGradient(builder, inputs[0]!, inputs[1]!, op) : undefined;
      case 'convFilterGradient':
        return op.groups === 1 ? filterGradient(builder, inputs[0]!, inputs[1]!, op) : undefined;
      default:
        return undefined;
    }
  });
}

function isUnitStride({ groups, strides, dilations }: Window): boolean {
  return groups === 1 && [...strides, ...dilations].every((n) => n === 1);
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

/** dy [N, O, h, w], filter [O, C, kh, kw] → [N, C, H, W]: each pixel meets the filter's positions in the opposite order. */
function inputGradient(
  builder: GraphBuilder,
  dy: GraphNode,
  filter: GraphNode,
  op: Extract<Operation, { kind: 'convInputGradient' }>,
): GraphNode {
  const [outChannels, inChannels, kernelHeight, kernelWidth] = filter.shape as [number, number, number, number];
  const [images, , height, width] = dy.shape as [number, number, number, number];
  const top = kernelHeight - 1 - op.pads[0];
  const left = kernelWidth - 1 - op.pads[1];
  const [outHeight, outWidth] = op.inputSize;
  const bottom = outHeight + kernelHeight - 1 - height - top;
  const right = outWidth + kernelWidth - 1 - width - left;
  const window: Window = { strides: [1, 1], dilations: [1, 1], groups: 1, pads: [top, left, bottom, right] };
  const rows = columns(builder, dy, window, [kernelHeight, kernelWidth], op.inputSize);
  const turned = builder.make({ kind: 'reverse', axes: [0, 1] }, [builder.transpose(filter, oihwToHwio)]);
  const weights = builder.reshape(builder.transpose(turned, [2, 0, 1, 3]), [
    inChannels,
    kernelHeight * kernelWidth * outChannels,
  ]);
  const product = builder.matmul(rows, weights, { transposeB: true });
  return builder.transpose(builder.reshape(product, [images, outHeight, outWidth, inChannels]), nhwcToNchw);
}

/** x [N, C, H, W], dy [N, O, h, w] → [O, C, kh, kw] */
function filterGradient(
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
