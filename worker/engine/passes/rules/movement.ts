// Moves that undo or repeat each other: reshapes of reshapes, transposes of transposes, slices of
// pads and of joins. What remains moves data once, and a reshape goes past an elementwise operator
// only where that lets it meet another.
import { type GraphBuilder, isIdentity } from '../../graph/builder.ts';
import { type GraphNode, isConstant, sameShape, sizeOf } from '../../graph/operation.ts';
import type { Rule } from './rule.ts';

export const movementRules: Rule = (node, { builder }) => {
  const { op } = node;
  const x = node.inputs[0];
  switch (op.kind) {
    case 'reshape':
      if (sameShape(x!.shape, node.shape)) return x;
      if (x!.op.kind === 'reshape') return builder.reshape(x!.inputs[0]!, node.shape);
      return x!.op.kind === 'transpose' && movesOnlyUnits(x!) ? builder.reshape(x!.inputs[0]!, node.shape) : undefined;
    case 'transpose': {
      if (isIdentity(op.perm)) return x;
      if (x!.op.kind === 'transpose') {
        const inner = x!.op.perm;
        return builder.transpose(
          x!.inputs[0]!,
          op.perm.map((axis) => inner[axis]!),
        );
      }
      return movesOnlyUnits(node) ? builder.reshape(x!, node.shape) : undefined;
    }
    case 'slice':
      return slice(node, op, builder);
    case 'pad':
      return pad(node, op, builder);
    case 'concat':
      return concat(node, op.axis, builder);
    case 'reduce':
      return reduce(node, op, builder);
    case 'after':
      return after(node, builder);
    default:
      return undefined;
  }
};

/** A transpose that keeps the order of all axes longer than one moves nothing in memory. */
function movesOnlyUnits(node: GraphNode): boolean {
  if (node.op.kind !== 'transpose') return false;
  const { shape } = node.inputs[0]!;
  const long = node.op.perm.filter((axis) => shape[axis] !== 1);
  return long.every((axis, position) => position === 0 || axis > long[position - 1]!);
}

function slice(
  node: GraphNode,
  op: Extract<GraphNode['op'], { kind: 'slice' }>,
  builder: GraphBuilder,
): GraphNode | undefined {
  const x = node.inputs[0]!;
  if (op.strides.some((stride) => stride !== 1)) return undefined;
  if (sameShape(x.shape, op.size)) return x;
  if (x.op.kind === 'slice' && x.op.strides.every((stride) => stride === 1)) {
    const inner = x.op.begin;
    return builder.slice(
      x.inputs[0]!,
      op.begin.map((begin, axis) => begin + inner[axis]!),
      op.size,
    );
  }
  if (x.op.kind === 'pad') return sliceOfPad(op, x, x.op, builder);
  if (x.op.kind === 'concat') return sliceOfConcat(op, x, x.op.axis, builder);
  return undefined;
}

/**
 * What a slice takes of a padded tensor: all inside (a slice), or exactly a tensor's part with less
 * padding.
 */
function sliceOfPad(
  op: Extract<GraphNode['op'], { kind: 'slice' }>,
  x: GraphNode,
  padding: Extract<GraphNode['op'], { kind: 'pad' }>,
  builder: GraphBuilder,
): GraphNode | undefined {
  const source = x.inputs[0]!;
  const begin: number[] = [];
  const size: number[] = [];
  const before: number[] = [];
  const after: number[] = [];
  for (let axis = 0; axis < op.begin.length; axis++) {
    const start = op.begin[axis]! - padding.before[axis]!;
    const end = start + op.size[axis]!;
    const from = Math.max(0, start);
    const to = Math.min(source.shape[axis]!, end);
    if (to <= from) return builder.constant(padding.value, op.size, source.dtype);
    begin.push(from);
    size.push(to - from);
    before.push(from - start);
    after.push(end - to);
  }
  return builder.pad(builder.slice(source, begin, size), before, after, padding.value);
}

/** A slice that falls within one of the joined tensors. */
function sliceOfConcat(
  op: Extract<GraphNode['op'], { kind: 'slice' }>,
  x: GraphNode,
  axis: number,
  builder: GraphBuilder,
): GraphNode | undefined {
  let start = 0;
  for (const input of x.inputs) {
    const length = input.shape[axis]!;
    const from = op.begin[axis]! - start;
    if (from >= 0 && from + op.size[axis]! <= length) {
      return builder.slice(
        input,
        op.begin.map((begin, position) => (position === axis ? from : begin)),
        op.size,
      );
    }
    start += length;
  }
  return undefined;
}

function pad(
  node: GraphNode,
  op: Extract<GraphNode['op'], { kind: 'pad' }>,
  builder: GraphBuilder,
): GraphNode | undefined {
  const x = node.inputs[0]!;
  if (x.op.kind !== 'pad' || x.op.value !== op.value) return undefined;
  const inner = x.op;
  return builder.pad(
    x.inputs[0]!,
    op.before.map((n, axis) => n + inner.before[axis]!),
    op.after.map((n, axis) => n + inner.after[axis]!),
    op.value,
  );
}

function concat(node: GraphNode, axis: number, builder: GraphBuilder): GraphNode | undefined {
  const filled = node.inputs.filter((input) => sizeOf(input.shape) > 0);
  if (filled.length === 1) return filled[0];
  if (filled.length < node.inputs.length && filled.length > 0) return builder.concat(filled, axis);
  // slices side by side that make up the whole tensor they were cut from
  const source = node.inputs[0]!.op.kind === 'slice' ? node.inputs[0]!.inputs[0]! : undefined;
  if (source === undefined || !sameShape(source.shape, node.shape)) return undefined;
  let expected = 0;
  for (const input of node.inputs) {
    const { op } = input;
    if (op.kind !== 'slice' || input.inputs[0] !== source || op.strides.some((stride) => stride !== 1))
      return undefined;
    if (op.begin.some((begin, position) => begin !== (position === axis ? expected : 0))) return undefined;
    expected += input.shape[axis]!;
  }
  return source;
}

/** A reduction of a reduction, and one of a transposed tensor, whose axes it only renames. */
function reduce(
  node: GraphNode,
  op: Extract<GraphNode['op'], { kind: 'reduce' }>,
  builder: GraphBuilder,
): GraphNode | undefined {
  const x = node.inputs[0]!;
  if (x.op.kind === 'reduce' && x.op.fn === op.fn) {
    const inner = x.op;
    const source = x.inputs[0]!;
    const kept = source.shape.map((_, axis) => axis).filter((axis) => inner.keepDims || !inner.axes.includes(axis));
    const axes = [...new Set([...inner.axes, ...op.axes.map((axis) => kept[axis]!)])];
    return builder.reshape(builder.reduce(op.fn, source, axes), node.shape);
  }
  if (x.op.kind === 'transpose') {
    const { perm } = x.op;
    const axes = op.axes.map((axis) => perm[axis]!);
    const reduced = builder.transpose(builder.reduce(op.fn, x.inputs[0]!, axes, true), perm);
    return builder.reshape(reduced, node.shape);
  }
  return undefined;
}

/**
 * `after` a moved tensor is `after` the tensor itself; constants are always available and need no
 * `after`.
 */
function after(node: GraphNode, builder: GraphBuilder): GraphNode | undefined {
  const [x, ...others] = node.inputs as [GraphNode, ...GraphNode[]];
  const sources = [...new Set(others.map(unmoved))].filter((other) => !isConstant(other));
  if (isConstant(x) || sources.length === 0) return x;
  return builder.make(node.op, [x, ...sources]);
}

function unmoved(node: GraphNode): GraphNode {
  const isMove = node.op.kind === 'reshape' || node.op.kind === 'transpose' || node.op.kind === 'broadcast';
  return isMove ? unmoved(node.inputs[0]!) : node;
}
