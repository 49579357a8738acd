// Shape and type of an operator's result from its operands'. A shape that does not fit is a bug of
// ours (the tracer has let TensorFlow.js check the user's), so it throws a plain error that names
// the operator.
import { type DType, type GraphNode, type Operation, type Shape, sizeOf } from './operation.ts';

export interface Inferred {
  readonly shape: Shape;
  readonly dtype: DType;
}

export function infer(op: Operation, inputs: readonly GraphNode[]): Inferred {
  const first = inputs[0];
  switch (op.kind) {
    case 'input':
    case 'constant':
      return { shape: op.shape, dtype: op.dtype };
    case 'unary':
      return { shape: first!.shape, dtype: op.fn === 'isNan' || op.fn === 'isInf' ? 'bool' : first!.dtype };
    case 'binary': {
      const [a, b] = inputs as [GraphNode, GraphNode];
      requireThat(a.dtype === b.dtype, op, `operands of types ${a.dtype} and ${b.dtype}`);
      return { shape: broadcastShapes(a.shape, b.shape), dtype: isComparison(op.fn) ? 'bool' : a.dtype };
    }
    case 'select': {
      const [condition, yes, no] = inputs as [GraphNode, GraphNode, GraphNode];
      return { shape: broadcastShapes(condition.shape, broadcastShapes(yes.shape, no.shape)), dtype: yes.dtype };
    }
    case 'cast':
      return { shape: first!.shape, dtype: op.dtype };
    case 'reshape':
      requireThat(sizeOf(op.shape) === sizeOf(first!.shape), op, `[${first!.shape}] cannot become [${op.shape}]`);
      return { shape: op.shape, dtype: first!.dtype };
    case 'transpose':
      requireThat(op.perm.length === first!.shape.length, op, `rank ${first!.shape.length}, permutation ${op.perm}`);
      return { shape: op.perm.map((axis) => first!.shape[axis]!), dtype: first!.dtype };
    case 'broadcast':
      return { shape: op.shape, dtype: first!.dtype };
    case 'slice':
      return { shape: op.size, dtype: first!.dtype };
    case 'pad':
      return { shape: first!.shape.map((n, axis) => n + op.before[axis]! + op.after[axis]!), dtype: first!.dtype };
    case 'concat': {
      let length = 0;
      for (const input of inputs) length += input.shape[op.axis]!;
      return { shape: first!.shape.map((n, axis) => (axis === op.axis ? length : n)), dtype: first!.dtype };
    }
    case 'reverse':
    case 'after':
      return { shape: first!.shape, dtype: first!.dtype };
    case 'reduce':
      return { shape: reducedShape(first!.shape, op.axes, op.keepDims), dtype: first!.dtype };
    case 'argReduce':
      return { shape: reducedShape(first!.shape, [op.axis], false), dtype: 'int32' };
    case 'matmul': {
      const [a, b] = inputs as [GraphNode, GraphNode];
      const [m, k] = lastTwo(a.shape, op.transposeA);
      const [k2, n] = lastTwo(b.shape, op.transposeB);
      requireThat(k === k2, op, `[${a.shape}] × [${b.shape}]`);
      return { shape: [...broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n], dtype: a.dtype };
    }
    case 'conv2d': {
      const [x, filter] = inputs as [GraphNode, GraphNode];
      const [batch, , height, width] = x.shape as [number, number, number, number];
      const [channels, perGroup, kernelHeight, kernelWidth] = filter.shape as [number, number, number, number];
      requireThat(
        x.shape[1] === perGroup * op.groups,
        op,
        `input [${x.shape}], filter [${filter.shape}], ${op.groups} groups`,
      );
      return {
        shape: [
          batch,
          channels,
          windowCount(height, kernelHeight, op.strides[0], op.dilations[0], op.pads[0] + op.pads[2]),
          windowCount(width, kernelWidth, op.strides[1], op.dilations[1], op.pads[1] + op.pads[3]),
        ],
        dtype: x.dtype,
      };
    }
    case 'convInputGradient': {
      const [dy, filter] = inputs as [GraphNode, GraphNode];
      return { shape: [dy.shape[0]!, filter.shape[1]! * op.groups, ...op.inputSize], dtype: dy.dtype };
    }
    case 'convFilterGradient': {
      const [x, dy] = inputs as [GraphNode, GraphNode];
      return { shape: [dy.shape[1]!, x.shape[1]! / op.groups, ...op.filterSize], dtype: x.dtype };
    }
    case 'columns': {
      const [images, , , channels] = first!.shape as [number, number, number, number];
      return { shape: [images * sizeOf(op.outputSize), sizeOf(op.filterSize) * channels], dtype: first!.dtype };
    }
    case 'softmax':
    case 'cumulativeSum':
      return { shape: first!.shape, dtype: first!.dtype };
    case 'gather': {
      const [x, indices] = inputs as [GraphNode, GraphNode];
      return { shape: [...x.shape.slice(0, op.axis), ...indices.shape, ...x.shape.slice(op.axis + 1)], dtype: x.dtype };
    }
    case 'segmentSum': {
      const [x, indices] = inputs as [GraphNode, GraphNode];
      return { shape: [op.count, ...x.shape.slice(indices.shape.length)], dtype: x.dtype };
    }
    case 'oneHot':
      return { shape: [...first!.shape, op.depth], dtype: op.dtype };
    default:
      return op satisfies never;
  }
}

export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const shape = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const x = a[a.length - i] ?? 1;
    const y = b[b.length - i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new Error(`cannot broadcast [${a}] with [${b}]`);
    shape[rank - i] = x === 1 ? y : x;
  }
  return shape;
}

export function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  const kept: number[] = [];
  shape.forEach((length, axis) => {
    if (!axes.includes(axis)) kept.push(length);
    else if (keepDims) kept.push(1);
  });
  return kept;
}

export function isComparison(fn: string): boolean {
  return fn === 'equal' || fn.startsWith('greater') || fn.startsWith('less');
}

function windowCount(length: number, kernel: number, stride: number, dilation: number, padding: number): number {
  return Math.floor((length + padding - ((kernel - 1) * dilation + 1)) / stride) + 1;
}

function lastTwo(shape: Shape, swapped: boolean): [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return swapped ? [columns, rows] : [rows, columns];
}

function requireThat(condition: boolean, op: Operation, what: string): asserts condition {
  if (!condition) throw new Error(`graph operator ${op.kind}: ${what}`);
}
