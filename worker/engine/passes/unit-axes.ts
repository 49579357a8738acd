// Axes of length one. Reductions keep their axes, and the reshapes that drop them sink past elementwise operators until they meet the reshape that
// puts them back, or an output. `dropKeptAxes` finally lets a reduction drop its axes itself where a reshape is left behind it.
import { type GraphBuilder, rewriteGraph } from '../graph/builder.ts';
import { type Graph, type GraphNode, isConstant, type Shape, sameShape, usesOf } from '../graph/operation.ts';
import type { PassRequest } from './pass.ts';
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

/** For a reshape that only drops axes of length one: for each axis that is left, which axis of the source it is. */
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
    // putting the axes back must cost nothing: the operand is a reshape itself, or a constant, or broadcasts as it is
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

/** reshape(reduce keeping its axes) → reduce dropping them, and with them what other axes of length one the reshape drops. */
export function dropKeptAxes(graph: Graph, { newBuilder }: PassRequest): Graph {
  const uses = usesOf(graph);
  return rewriteGraph(graph, newBuilder(), (node, inputs, builder) => {
    const x = inputs[0];
    if (node.op.kind !== 'reshape' || x?.op.kind !== 'reduce' || !x.op.keepDims || uses.get(node.inputs[0]!) !== 1)
      return undefined;
    const reduced = x.op.axes;
    const kept = keptAxes(builder.make(node.op, [x]));
    const dropped = kept === undefined ? [] : x.shape.map((_, axis) => axis).filter((axis) => !kept.includes(axis));
    if (!reduced.every((axis) => dropped.includes(axis))) return undefined;
    return builder.reduce(x.op.fn, x.inputs[0]!, dropped, false);
  });
}

/** A mean [1, 1, 1, C] that is read as [C] is read as it is, so that the rules for sums see whose mean it is. */
export function keepLeadingAxes(graph: Graph, { newBuilder }: PassRequest): Graph {
  return rewriteGraph(graph, newBuilder(), (node, inputs, builder) => {
    if (node.op.kind !== 'binary') return undefined;
    const kept = inputs.map((input) => {
      const source = input.op.kind === 'reshape' ? input.inputs[0]! : input;
      const ones = source.shape.length - input.shape.length;
      const isLeading = source.shape.slice(0, ones).every((n) => n === 1);
      if (ones <= 0 || source.shape.length > node.shape.length || !isLeading) return input;
      return sameShape(source.shape.slice(ones), input.shape) ? source : input;
    });
    return builder.make(node.op, kept);
  });
}
