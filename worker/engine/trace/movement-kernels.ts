// TensorFlow.js kernels that move or make numbers without computing: shapes, slices, joins,
// indices, constants.
import { arrayOf } from '../graph/builder.ts';
import { type DType, type GraphNode, sizeOf } from '../graph/operation.ts';
import { tf } from '../tf/tf.ts';
import type { Call, Kernel } from './kernel.ts';

export const movementKernels: Readonly<Record<string, Kernel>> = {
  After: ({ builder, node, nodes }) => builder.make({ kind: 'after' }, [node('x'), ...nodes().slice(1)]),
  Reshape: ({ builder, node, attributes }) => {
    const x = node('x');
    return builder.reshape(x, tf.util.inferFromImplicitShape(attributes.shape as number[], sizeOf(x.shape)));
  },
  ExpandDims: ({ builder, node, attributes }) => {
    const x = node('input');
    const dim = attributes.dim as number;
    const axis = dim < 0 ? x.shape.length + dim + 1 : dim;
    return builder.reshape(x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]);
  },
  Transpose: ({ builder, node, attributes }) => builder.transpose(node('x'), attributes.perm as number[]),
  BroadcastTo: ({ builder, node, attributes }) => builder.broadcast(node('x'), attributes.shape as number[]),
  Tile: ({ builder, node, attributes }) => {
    // [a, b] repeated [r, s] times is [1, a, 1, b] broadcast to [r, a, s, b]
    const x = node('x');
    const reps = attributes.reps as number[];
    const single = x.shape.flatMap((length) => [1, length]);
    const copied = x.shape.flatMap((length, axis) => [reps[axis]!, length]);
    const whole = x.shape.map((length, axis) => length * reps[axis]!);
    return builder.reshape(builder.broadcast(builder.reshape(x, single), copied), whole);
  },
  Slice: ({ builder, node, attributes }) => {
    const x = node('x');
    const [begin, size] = tf.slice_util.parseSliceParams(
      shaped(x),
      attributes.begin as number[],
      attributes.size as number[],
    );
    return builder.slice(x, begin!, size!);
  },
  StridedSlice: ({ builder, node, attributes, refuse }) => {
    const x = node('x');
    const a = attributes as Record<'begin' | 'end' | 'strides', number[]> & Record<string, number>;
    const info = tf.slice_util.sliceInfo(
      [...x.shape],
      a.begin,
      a.end,
      a.strides,
      a.beginMask!,
      a.endMask!,
      a.ellipsisMask!,
      a.newAxisMask!,
      a.shrinkAxisMask!,
    );
    if (info.strides.some((stride: number) => stride < 1)) throw refuse('with a negative stride');
    const size = info.begin.map((begin: number, axis: number) => {
      return Math.max(0, Math.ceil((info.end[axis]! - begin) / info.strides[axis]!));
    });
    return builder.reshape(builder.slice(x, info.begin, size, info.strides), info.finalShape);
  },
  PadV2: ({ builder, node, attributes }) => {
    const paddings = attributes.paddings as [number, number][];
    const before = paddings.map(([first]) => first);
    const after = paddings.map(([, second]) => second);
    return builder.pad(node('x'), before, after, attributes.constantValue as number);
  },
  MirrorPad: ({ builder, node, attributes }) => mirrorPad(builder, node('x'), attributes),
  Concat: ({ builder, nodes, attributes }) => {
    const inputs = nodes();
    const axis = tf.util.parseAxisParam(attributes.axis as number, [...inputs[0]!.shape])[0]!;
    return builder.concat(
      inputs.filter((input) => sizeOf(input.shape) > 0),
      axis,
    );
  },
  Pack: ({ builder, nodes, attributes }) => {
    const inputs = nodes();
    const { shape } = inputs[0]!;
    const axis =
      (attributes.axis as number) < 0 ? shape.length + 1 + (attributes.axis as number) : (attributes.axis as number);
    const expanded = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
    return builder.concat(
      inputs.map((input) => builder.reshape(input, expanded)),
      axis,
    );
  },
  Unpack: ({ builder, node, attributes }) => {
    const x = node('value');
    const axis = tf.util.parseAxisParam(attributes.axis as number, [...x.shape])[0]!;
    const shape = x.shape.filter((_, position) => position !== axis);
    return parts(builder, x, axis, new Array(x.shape[axis]!).fill(1)).map((part) => builder.reshape(part, shape));
  },
  SplitV: ({ builder, node, attributes }) => {
    const x = node('x');
    const axis = tf.util.parseAxisParam(attributes.axis as number, [...x.shape])[0]!;
    const sizes = tf.backend_util.prepareSplitSize(shaped(x), attributes.numOrSizeSplits as number[], axis);
    return parts(builder, x, axis, sizes);
  },
  Reverse: ({ builder, node, attributes }) => {
    const x = node('x');
    const axes = tf.util.parseAxisParam(attributes.dims as number[], [...x.shape]);
    return axes.length === 0 ? x : builder.make({ kind: 'reverse', axes }, [x]);
  },
  GatherV2: ({ builder, node, attributes, refuse }) => {
    const x = node('x');
    if (attributes.batchDims !== undefined && attributes.batchDims !== 0) throw refuse('with batchDims');
    const axis = tf.util.parseAxisParam(attributes.axis as number, [...x.shape])[0]!;
    return builder.make({ kind: 'gather', axis }, [x, builder.cast(node('indices'), 'int32')]);
  },
  UnsortedSegmentSum: ({ builder, node, attributes }) =>
    builder.make({ kind: 'segmentSum', count: attributes.numSegments as number }, [node('x'), node('segmentIds')]),
  OneHot: ({ builder, node, attributes }) => {
    const { depth, onValue, offValue } = attributes as { depth: number; onValue: number; offValue: number };
    const dtype = (attributes.dtype as DType | undefined) ?? 'float32';
    return builder.make({ kind: 'oneHot', depth, on: onValue, off: offValue, dtype }, [node('indices')]);
  },
  Cumsum: ({ builder, node, attributes }) => {
    const x = node('x');
    const axis = tf.util.parseAxisParam(attributes.axis as number, [...x.shape])[0]!;
    const exclusive = attributes.exclusive as boolean;
    return builder.make({ kind: 'cumulativeSum', axis, exclusive, reverse: attributes.reverse as boolean }, [x]);
  },
  Fill: ({ builder, attributes, refuse }) => {
    const value = attributes.value as number;
    if (typeof value !== 'number' && typeof value !== 'boolean') throw refuse('of strings');
    const dtype = (attributes.dtype as DType | undefined) ?? 'float32';
    return builder.constant(Number(value), attributes.shape as number[], dtype);
  },
  Range: ({ builder, attributes }) => {
    const { start, stop, step } = attributes as { start: number; stop: number; step: number };
    const count = Math.max(0, Math.ceil((stop - start) / step));
    const dtype = (attributes.dtype as DType | undefined) ?? 'float32';
    return builder.constant(
      arrayOf(
        dtype,
        Array.from({ length: count }, (_, i) => start + i * step),
      ),
      [count],
      dtype,
    );
  },
  LinSpace: ({ builder, attributes }) => {
    const { start, stop, num } = attributes as { start: number; stop: number; num: number };
    const step = num > 1 ? (stop - start) / (num - 1) : 0;
    return builder.constant(
      Float32Array.from({ length: num }, (_, i) => start + i * step),
      [num],
      'float32',
    );
  },
};

/** The part of a tensor that tfjs's helpers read. */
function shaped(node: GraphNode): never {
  return { shape: [...node.shape], rank: node.shape.length } as never;
}

function parts(builder: Call['builder'], x: GraphNode, axis: number, sizes: readonly number[]): GraphNode[] {
  let offset = 0;
  return sizes.map((length) => {
    const begin = x.shape.map((_, position) => (position === axis ? offset : 0));
    const size = x.shape.map((full, position) => (position === axis ? length : full));
    offset += length;
    return builder.slice(x, begin, size);
  });
}

function mirrorPad(builder: Call['builder'], x: GraphNode, attributes: Call['attributes']): GraphNode {
  const offset = attributes.mode === 'reflect' ? 1 : 0;
  let result = x;
  (attributes.paddings as [number, number][]).forEach(([before, after], axis) => {
    const length = result.shape[axis]!;
    const cut = (begin: number, count: number) => {
      const from = result.shape.map((_, position) => (position === axis ? begin : 0));
      const size = result.shape.map((full, position) => (position === axis ? count : full));
      return builder.make({ kind: 'reverse', axes: [axis] }, [builder.slice(result, from, size)]);
    };
    const pieces = [result];
    if (before > 0) pieces.unshift(cut(offset, before));
    if (after > 0) pieces.push(cut(length - after - offset, after));
    result = builder.concat(pieces, axis);
  });
  return result;
}
