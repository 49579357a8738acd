// Factors and terms that do not vary along an axis, such as the per-channel numbers of batch norm,
// move out of sums over that axis and meet each other first: each of them then costs a few numbers
// instead of a pass over a whole activation.
import type { GraphBuilder } from '../../graph/builder.ts';
import { type GraphNode, sameShape, sizeOf, uniformValue } from '../../graph/operation.ts';
import { isMuchSmaller } from './algebra.ts';
import type { Rule, RuleContext } from './rule.ts';

export const factorRules: Rule = (node, context) => {
  const { op } = node;
  if (node.dtype !== 'float32') return undefined;
  if (op.kind === 'reduce' && op.keepDims && (op.fn === 'sum' || op.fn === 'mean')) {
    return factorsLeaveSum(node, op, context) ?? termsLeaveSum(node, op, context) ?? knownSums(node, op, context);
  }
  if (op.kind === 'binary' && op.fn === 'mul') return numberMeetsSmallFactor(node, context);
  if (op.kind === 'binary' && (op.fn === 'add' || op.fn === 'sub')) {
    return sameLargeFactor(node, op.fn, context) ?? smallTermsFirst(node, op.fn, context);
  }
  return undefined;
};

type Reduce = Extract<GraphNode['op'], { kind: 'reduce' }>;

/** Σ x·s = s·Σ x, where s is the same all along the sum. */
function factorsLeaveSum(node: GraphNode, op: Reduce, { builder, usesOf }: RuleContext): GraphNode | undefined {
  const x = node.inputs[0]!;
  const factors: GraphNode[] = [];
  const rest = withoutFactors(x, op.axes, x.shape.length, builder, factors);
  if (rest === undefined || factors.length === 0 || !sameShape(rest.shape, x.shape)) return undefined;
  // where the product is needed anyway, another product instead would be one pass more
  if (rest.op.kind === 'binary' && usesOf(x) > 1) return undefined;
  return timesAll(builder.reduce(op.fn, rest, op.axes, true), factors, builder);
}

function timesAll(x: GraphNode, factors: readonly GraphNode[], builder: GraphBuilder): GraphNode {
  return factors.reduce((product, factor) => builder.binary('mul', product, factor), x);
}

/**
 * The product without its factors that are constant along the axes, which go into `factors`;
 * undefined when nothing is left.
 */
function withoutFactors(
  x: GraphNode,
  axes: readonly number[],
  rank: number,
  builder: GraphBuilder,
  factors: GraphNode[],
): GraphNode | undefined {
  if (isConstantAlong(x, axes, rank)) {
    factors.push(x);
    return undefined;
  }
  if (x.op.kind !== 'binary' || x.op.fn !== 'mul') return x;
  const [a, b] = x.inputs.map((input) => withoutFactors(input, axes, rank, builder, factors));
  if (a === x.inputs[0] && b === x.inputs[1]) return x;
  return a && b ? builder.binary('mul', a, b) : (a ?? b);
}

/**
 * Σ (x ± s) = Σ x ± n·s, and the mean likewise, where s is the same all along the sum; a sum of
 * deviations from that very mean is zero.
 */
function termsLeaveSum(node: GraphNode, op: Reduce, { builder, usesOf }: RuleContext): GraphNode | undefined {
  const x = node.inputs[0]!;
  if (x.op.kind !== 'binary' || (x.op.fn !== 'add' && x.op.fn !== 'sub')) return undefined;
  const [a, b] = x.inputs as [GraphNode, GraphNode];
  const rank = x.shape.length;
  if (!isConstantAlong(b, op.axes, rank) || !sameShape(a.shape, x.shape)) return undefined;
  if (isDeviation(x, op.axes)) return builder.constant(0, node.shape, node.dtype);
  if (usesOf(x) > 1) return undefined;
  const count = op.fn === 'mean' ? 1 : sizeOf(x.shape) / sizeOf(node.shape);
  return builder.binary(x.op.fn, builder.reduce(op.fn, a, op.axes, true), builder.binaryScalar('mul', b, count));
}

/** Whether x is y − mean(y) over these axes. */
function isDeviation(x: GraphNode, axes: readonly number[]): boolean {
  if (x.op.kind !== 'binary' || x.op.fn !== 'sub') return false;
  const [y, mean] = x.inputs as [GraphNode, GraphNode];
  return mean.op.kind === 'reduce' && mean.op.fn === 'mean' && mean.inputs[0] === y && sameList(mean.op.axes, axes);
}

/**
 * Σ (x·s ± y·t) = s·Σ x ± t·Σ y, where Σ x and Σ y are known anyway: one pass less over what the
 * brackets hold.
 */
function knownSums(node: GraphNode, op: Reduce, { builder }: RuleContext): GraphNode | undefined {
  const x = node.inputs[0]!;
  if (x.op.kind !== 'binary' || (x.op.fn !== 'add' && x.op.fn !== 'sub')) return undefined;
  const sums: GraphNode[] = [];
  for (const term of x.inputs) {
    const factors: GraphNode[] = [];
    const rest = withoutFactors(term, op.axes, x.shape.length, builder, factors);
    if (rest === undefined || !sameShape(rest.shape, x.shape)) return undefined;
    const reduction: Reduce = { kind: 'reduce', fn: op.fn, axes: op.axes, keepDims: true };
    if (isDeviation(rest, op.axes)) sums.push(builder.constant(0, node.shape, node.dtype));
    else if (builder.has(reduction, [rest])) sums.push(timesAll(builder.make(reduction, [rest]), factors, builder));
    else return undefined;
  }
  return builder.binary(x.op.fn, sums[0]!, sums[1]!);
}

/** (x·s)·k = x·(s·k) for a large x, few numbers s and a single number k. */
function numberMeetsSmallFactor(node: GraphNode, { builder, usesOf }: RuleContext): GraphNode | undefined {
  const [product, number] = node.inputs as [GraphNode, GraphNode];
  if (uniformValue(number) === undefined || usesOf(product) > 1 || !sameShape(product.shape, node.shape))
    return undefined;
  const parts = largeAndSmall(product, 'mul');
  if (parts === undefined || uniformValue(parts.small) !== undefined) return undefined;
  return builder.binary('mul', parts.large, builder.binary('mul', parts.small, number));
}

/** x·s ± x·t = x·(s ± t) for a large x and few numbers s and t. */
function sameLargeFactor(node: GraphNode, fn: 'add' | 'sub', { builder, usesOf }: RuleContext): GraphNode | undefined {
  const [left, right] = node.inputs.map((input) => (usesOf(input) === 1 ? largeAndSmall(input, 'mul') : undefined));
  if (!left || !right || left.large !== right.large || left.large.shape.length !== node.shape.length) return undefined;
  return builder.binary('mul', left.large, builder.binary(fn, left.small, right.small));
}

/** (x ± s) ± t = x ± (s ± t) for a large x and few numbers s and t. */
function smallTermsFirst(node: GraphNode, fn: 'add' | 'sub', { builder, usesOf }: RuleContext): GraphNode | undefined {
  const [sum, term] = node.inputs as [GraphNode, GraphNode];
  if (!isMuchSmaller(term, node) || usesOf(sum) > 1 || sum.op.kind !== 'binary') return undefined;
  const inner = sum.op.fn;
  if (inner !== 'add' && inner !== 'sub') return undefined;
  const parts = largeAndSmall(sum, inner);
  if (parts === undefined || parts.large !== sum.inputs[0]) return undefined;
  return builder.binary(inner, parts.large, builder.binary(inner === fn ? 'add' : 'sub', parts.small, term));
}

/** The operands of a node x·s or x ± s: x as large as the node, s much smaller. */
function largeAndSmall(node: GraphNode, fn: string): { large: GraphNode; small: GraphNode } | undefined {
  if (node.op.kind !== 'binary' || node.op.fn !== fn) return undefined;
  for (const [large, small] of [node.inputs, [...node.inputs].reverse()] as [GraphNode, GraphNode][]) {
    if (sameShape(large.shape, node.shape) && isMuchSmaller(small, node)) return { large, small };
  }
  return undefined;
}

/** Whether an operand of a node with `rank` axes is broadcast along all of these. */
function isConstantAlong(x: GraphNode, axes: readonly number[], rank: number): boolean {
  return axes.every((axis) => (x.shape[axis - (rank - x.shape.length)] ?? 1) === 1);
}

const sameList = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);
