// TensorFlow.js's convolutions and pools, brought from NHWC and HWIO to the graph's NCHW and OIHW
// with explicit transposes. A depthwise convolution is a grouped one with as many groups as input
// channels; pools are traced as their definitions, so that a gradient finds the same nodes.
import type * as tfjs from '@tensorflow/tfjs';
import type { GraphBuilder } from '../graph/builder.ts';
import type { GraphNode, Window } from '../graph/operation.ts';
import { averagePoolDefinition, maxPoolDefinition } from '../tf/gradients.ts';
import { tf } from '../tf/tf.ts';
import type { Call, Kernel } from './kernel.ts';
import { traceBackend } from './recorder.ts';

const nhwcToNchw = [0, 3, 1, 2];
const nchwToNhwc = [0, 2, 3, 1];
const hwioToOihw = [3, 2, 0, 1];
const oihwToHwio = [2, 3, 1, 0];

export const convolutionKernels: Readonly<Record<string, Kernel>> = {
  Conv2D: (call) => {
    const x = call.node('x');
    const filter = call.node('filter');
    const window = windowOf(call, x.shape, filter.shape, false);
    return nhwc(call.builder, call.builder.conv2d(nchw(call.builder, x), oihw(call.builder, filter), window));
  },
  Conv2DBackpropInput: (call) => {
    const filter = call.node('filter');
    const inputShape = call.attributes.inputShape as number[];
    const window = windowOf(call, inputShape, filter.shape, false);
    const inputs = [nchw(call.builder, call.node('dy')), oihw(call.builder, filter)];
    return nhwc(
      call.builder,
      call.builder.make({ kind: 'convInputGradient', inputSize: [inputShape[1]!, inputShape[2]!], ...window }, inputs),
    );
  },
  Conv2DBackpropFilter: (call) => {
    const x = call.node('x');
    const filterShape = call.attributes.filterShape as number[];
    const window = windowOf(call, x.shape, filterShape, false);
    const inputs = [nchw(call.builder, x), nchw(call.builder, call.node('dy'))];
    const gradient = call.builder.make(
      { kind: 'convFilterGradient', filterSize: [filterShape[0]!, filterShape[1]!], ...window },
      inputs,
    );
    return call.builder.transpose(gradient, oihwToHwio);
  },
  DepthwiseConv2dNative: (call) => {
    const x = call.node('x');
    const filter = call.node('filter');
    const window = windowOf(call, x.shape, filter.shape, true);
    return nhwc(
      call.builder,
      call.builder.conv2d(nchw(call.builder, x), depthwiseFilter(call.builder, filter), window),
    );
  },
  DepthwiseConv2dNativeBackpropInput: (call) => {
    const filter = call.node('filter');
    const inputShape = call.attributes.inputShape as number[];
    const window = windowOf(call, inputShape, filter.shape, true);
    const inputs = [nchw(call.builder, call.node('dy')), depthwiseFilter(call.builder, filter)];
    return nhwc(
      call.builder,
      call.builder.make({ kind: 'convInputGradient', inputSize: [inputShape[1]!, inputShape[2]!], ...window }, inputs),
    );
  },
  DepthwiseConv2dNativeBackpropFilter: (call) => {
    const x = call.node('x');
    const [height, width, channels, multiplier] = call.attributes.filterShape as [number, number, number, number];
    const window = windowOf(call, x.shape, [height, width, channels, multiplier], true);
    const inputs = [nchw(call.builder, x), nchw(call.builder, call.node('dy'))];
    const gradient = call.builder.make({ kind: 'convFilterGradient', filterSize: [height, width], ...window }, inputs);
    const split = call.builder.reshape(gradient, [channels, multiplier, height, width]);
    return call.builder.transpose(split, [2, 3, 0, 1]);
  },
  MaxPool: (call) => pool(call, maxPoolDefinition),
  AvgPool: (call) => pool(call, averagePoolDefinition),
};

function nchw(builder: GraphBuilder, x: GraphNode): GraphNode {
  return builder.transpose(x, nhwcToNchw);
}

function nhwc(builder: GraphBuilder, x: GraphNode): GraphNode {
  return builder.transpose(x, nchwToNhwc);
}

function oihw(builder: GraphBuilder, filter: GraphNode): GraphNode {
  return builder.transpose(filter, hwioToOihw);
}

/** [height, width, channels, multiplier] → [channels·multiplier, 1, height, width]. */
function depthwiseFilter(builder: GraphBuilder, filter: GraphNode): GraphNode {
  const [height, width, channels, multiplier] = filter.shape as [number, number, number, number];
  return builder.reshape(builder.transpose(filter, [2, 3, 0, 1]), [channels * multiplier, 1, height, width]);
}

/** Strides, pads and groups of a call, from the input's and the filter's TensorFlow shapes. */
function windowOf(
  { attributes, refuse }: Call,
  inputShape: readonly number[],
  filterShape: readonly number[],
  depthwise: boolean,
): Window {
  if (attributes.dataFormat !== undefined && attributes.dataFormat !== null && attributes.dataFormat !== 'NHWC') {
    throw refuse(`with the data format ${attributes.dataFormat}`);
  }
  const info = tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    attributes.strides as [number, number],
    (attributes.dilations as [number, number] | undefined) ?? 1,
    attributes.pad as 'valid' | 'same' | number,
    attributes.dimRoundingMode as 'floor' | 'round' | 'ceil' | undefined,
    depthwise,
  );
  const { top, left, bottom, right } = info.padInfo;
  const groups = depthwise ? filterShape[2]! : inputShape[3]! / filterShape[2]!;
  return {
    strides: [info.strideHeight, info.strideWidth],
    pads: [top, left, bottom, right],
    dilations: [info.dilationHeight, info.dilationWidth],
    groups,
  };
}

/** Runs a pool's definition on traced tensors; the kernels that it calls are recorded. */
function pool(call: Call, definition: typeof maxPoolDefinition): GraphNode {
  const backend = traceBackend();
  const x = tf.engine().makeTensorFromTensorInfo(backend.tensorInfoOf(call.node('x'))) as tfjs.Tensor4D;
  return backend.nodeOf(definition(tf, x, call.attributes as unknown as Parameters<typeof maxPoolDefinition>[2]));
}
