// Keeps broadcasts lazy: an elementwise operator reads the small tensor itself, a sum over copies
// is a product, and a broadcast that must happen happens after the arithmetic. Uniform constants
// shrink to single numbers where another operand gives the shape.
import type { GraphBuilder } from '../../graph/builder.ts';
import { type GraphNode, type Shape, sameShape, sizeOf, uniformValue } from '../../graph/operation.ts';
import type { Rule } from './rule.ts';

export const broadcastRules: Rule = (node, { builder }) => {
  const { op } = node;
  switch (op.kind) {
    case 'unary':
    case 'cast':
    case 'binary':
    case 'select':
      return elementwise(node, builder);
    case 'broadcast': {
      const x = node.inputs[0]!;
      if (sameShape(x.shape, node.shape)) return x;
      return x.op.kind === 'broadcast' ? builder.broadcast(x.inputs[0]!, node.shape) : undefined;
    }
    case 'reduce':
      return reduction(node, op, builder);
    case 'reshape':
      return reshaped(node, builder);
    case 'transpose': {
      const x = node.inputs[0]!;
      if (x.op.kind !== 'broadcast') return undefined;
      const small = padRank(builder, x.inputs[0]!, x.shape.length);
      return builder.broadcast(builder.transpose(small, op.perm), node.shape);
    }
    case 'matmul': {
      // leading axes of a product broadcast by themselves
      const [a, b] = node.inputs.map((input) => withoutBatchBroadcast(input)) as [GraphNode, GraphNode];
      if (a === node.inputs[0] && b === node.inputs[1]) return undefined;
      return builder.broadcast(builder.make(op, [a, b]), node.shape);
    }
    default:
      return undefined;
  }
};

function elementwise(node: GraphNode, builder: GraphBuilder): GraphNode | undefined {
  const small = node.inputs.map((input) => {
    if (input.op.kind === 'broadcast') return input.inputs[0]!;
    const value = uniformValue(input);
    return value !== undefined && input.shape.length > 0 ? builder.constant(value, [], input.dtype) : input;
  });
  if (small.every((input, position) => input === node.inputs[position])) return undefined;
  if (small.every((input) => uniformValue(input) !== undefined)) return undefined;
  const smaller = builder.make(node.op, small);
  return builder.broadcast(smaller, node.shape);
}

/** A sum over an axis along which all is equal is a multiplication. */
function reduction(
  node: GraphNode,
  op: Extract<GraphNode['op'], { kind: 'reduce' }>,
  builder: GraphBuilder,
): GraphNode | undefined {
  const x = node.inputs[0]!;
  const unit = op.axes.filter((axis) => x.shape[axis] === 1);
  if (unit.length > 0) {
    const rest = op.axes.filter((axis) => x.shape[axis] !== 1);
    return builder.reshape(builder.reduce(op.fn, x, rest, true), node.shape);
  }
  if (x.op.kind !== 'broadcast' || op.fn === 'prod') return undefined;
  const small = padRank(builder, x.inputs[0]!, x.shape.length);
  const copied = op.axes.filter((axis) => small.shape[axis] === 1);
  if (copied.length === 0) return undefined;
  const count = copied.reduce((product, axis) => product * x.shape[axis]!, 1);
  const rest = op.axes.filter((axis) => small.shape[axis] !== 1);
  const grown = builder.broadcast(
    small,
    x.shape.map((length, axis) => (copied.includes(axis) ? 1 : length)),
  );
  const reduced = builder.reshape(builder.reduce(op.fn, grown, rest, true), node.shape);
  return op.fn === 'sum' ? builder.binaryScalar('mul', reduced, count) : reduced;
}

/**
 * reshape(broadcast(x)) → broadcast(reshape(x)) when only axes of length one are added or removed,
 * or x is a single number.
 */
function reshaped(node: GraphNode, builder: GraphBuilder): GraphNode | undefined {
  const x = node.inputs[0]!;
  if (x.op.kind !== 'broadcast') return undefined;
  const source = x.inputs[0]!;
  if (sizeOf(source.shape) === 1) return builder.broadcast(builder.reshape(source, []), node.shape);
  const small = padRank(builder, source, x.shape.length);
  const target = matchUnitAxes(x.shape, small.shape, node.shape);
  return target === undefined ? undefined : builder.broadcast(builder.reshape(small, target), node.shape);
}

/**
 * The shape of `small` after a reshape from `from` to `to` that only inserts or drops axes of
 * length one; undefined for any other.
 */
function matchUnitAxes(from: Shape, small: Shape, to: Shape): number[] | undefined {
  const longs = from.flatMap((length, axis) => (length === 1 ? [] : [{ length, small: small[axis]! }]));
  let next = 0;
  const result = to.map((length) => {
    if (length === 1) return 1;
    const axis = longs[next++];
    return axis !== undefined && axis.length === length ? axis.small : -1;
  });
  return next === longs.length && !result.includes(-1) ? result : undefined;
}

function withoutBatchBroadcast(node: GraphNode): GraphNode {
  if (node.op.kind !== 'broadcast') return node;
  const source = node.inputs[0]!;
  return source.shape.length >= 2 && sameShape(source.shape.slice(-2), node.shape.slice(-2)) ? source : node;
}

export function padRank(builder: GraphBuilder, x: GraphNode, rank: number): GraphNode {
  return builder.reshape(x, [...new Array(rank - x.shape.length).fill(1), ...x.shape]);
}
