// Axes of length one. Reductions keep their axes, and the reshapes that drop them sink past
// elementwise operators until they meet the reshape that puts them back, or an output.
import type { GraphBuilder } from '../../graph/builder.ts';
import { type GraphNode, isConstant, type Shape, sameShape } from '../../graph/operation.ts';
import type { Rule } from './rule.ts';

export const unitAxisRules: Rule = (node, { builder }) => {
  const { op } = node;
  switch (op.kind) {
    case 'reduce':
      if (!op.keepDims) return builder.reshape(builder.reduce(op.fn, node.inputs[0]!, op.axes, true), node.shape);
      return reduceOfDropped(node, op, builder);
    case 'binary':
    case 'select':
    case 'unary':
    case 'cast':
      return elementwiseOfDropped(node, builder);
    default:
      return undefined;
  }
};

/**
 * For a reshape that only drops axes of length one: for each axis that is left, which axis of the
 * source it is.
 */
export function keptAxes(node: GraphNode): number[] | undefined {
  if (node.op.kind !== 'reshape') return undefined;
  const source = node.inputs[0]!.shape;
  const kept: number[] = [];
  let axis = source.length - 1;
  for (let i = node.shape.length - 1; i >= 0; i--) {
    while (axis >= 0 && source[axis] !== node.shape[i] && source[axis] === 1) axis--;
    if (axis < 0 || source[axis] !== node.shape[i]) return undefined;
    kept.unshift(axis--);
  }
  for (; axis >= 0; axis--) if (source[axis] !== 1) return undefined;
  return node.shape.length < source.length ? kept : undefined;
}

function elementwiseOfDropped(node: GraphNode, builder: GraphBuilder): GraphNode | undefined {
  const rank = node.shape.length;
  const dropped = node.inputs.find((input) => input.shape.length === rank && keptAxes(input) !== undefined);
  if (dropped === undefined) return undefined;
  const source = dropped.inputs[0]!.shape;
  const kept = keptAxes(dropped)!;
  const lifted: GraphNode[] = [];
  for (const input of node.inputs) {
    const shape = lift(input.shape, rank, kept, source.length);
    // putting the axes back must cost nothing: the operand is a reshape itself, or a constant, or
    // broadcasts as it is
    if (!sameShape(shape, input.shape) && input.op.kind !== 'reshape' && !isConstant(input)) return undefined;
    lifted.push(builder.reshape(input, shape));
  }
  return builder.reshape(builder.make(node.op, lifted), node.shape);
}

/** An operand's shape among the source's axes, without the leading ones that broadcasting supplies. */
function lift(shape: Shape, rank: number, kept: readonly number[], sourceRank: number): number[] {
  if (shape.length === 0) return [];
  const full = new Array<number>(sourceRank).fill(1);
  shape.forEach((length, axis) => {
    full[kept[axis + rank - shape.length]!] = length;
  });
  if (shape.length === rank) return full;
  return full.slice(kept[rank - shape.length]!);
}

function reduceOfDropped(
  node: GraphNode,
  op: Extract<GraphNode['op'], { kind: 'reduce' }>,
  builder: GraphBuilder,
): GraphNode | undefined {
  const x = node.inputs[0]!;
  const kept = keptAxes(x);
  if (kept === undefined) return undefined;
  const axes = op.axes.map((axis) => kept[axis]!);
  return builder.reshape(builder.reduce(op.fn, x.inputs[0]!, axes, true), node.shape);
}
