// Identities of arithmetic: x·1, x+0, −(−x), (x·a)·b and their kind. A product with zero becomes
// zero even though NaN·0 is NaN: the zeros are gradients of parts that a function does not depend
// on, and a NaN elsewhere still shows.
import type { GraphBuilder } from '../../graph/builder.ts';
import { type GraphNode, sameShape, sizeOf, uniformValue } from '../../graph/operation.ts';
import type { Rule, RuleContext } from './rule.ts';
import { keptAxes } from './unit-axes.ts';

export const algebraRules: Rule = (node, context) => {
  const { op } = node;
  if (op.kind === 'binary') return binary(node, op.fn, context) ?? sumOfScaled(node, op.fn, context);
  if (op.kind === 'unary') return unary(node, op.fn, context.builder);
  if (op.kind === 'cast') return cast(node, context.builder);
  if (op.kind === 'select') return select(node, context.builder);
  return scalingMovesOut(node, context);
};

/**
 * A number moves outward past what does not change it: after a sum there is less to multiply, and
 * further out it can meet a matrix product.
 */
function scalingMovesOut(node: GraphNode, { builder, usesOf }: RuleContext): GraphNode | undefined {
  const { op } = node;
  const isSum = op.kind === 'reduce' && (op.fn === 'sum' || op.fn === 'mean');
  const isMove =
    (op.kind === 'reshape' && keptAxes(node) === undefined) || op.kind === 'transpose' || op.kind === 'slice';
  if (!isSum && !isMove) return undefined;
  const x = node.inputs[0]!;
  const inner = scaled(x);
  if (inner === undefined || (isMove && usesOf(x) > 1)) return undefined;
  return builder.binaryScalar('mul', builder.make(op, [inner.x]), inner.factor);
}

function binary(node: GraphNode, fn: string, { builder, usesOf }: RuleContext): GraphNode | undefined {
  const [a, b] = node.inputs as [GraphNode, GraphNode];
  const left = uniformValue(a);
  const right = uniformValue(b);
  const whole = (x: GraphNode) => builder.broadcast(x, node.shape);
  const zero = () => builder.constant(0, node.shape, node.dtype);
  switch (fn) {
    case 'add':
      if (right === 0) return whole(a);
      if (left === 0) return whole(b);
      if (isUnary(b, 'neg')) return builder.binary('sub', a, b.inputs[0]!);
      if (isUnary(a, 'neg')) return builder.binary('sub', b, a.inputs[0]!);
      if (a === b) return builder.binaryScalar('mul', a, 2);
      return left !== undefined && right === undefined ? builder.binary('add', b, a) : undefined;
    case 'sub':
      if (right === 0) return whole(a);
      if (left === 0) return builder.unary('neg', whole(b));
      if (isUnary(b, 'neg')) return builder.binary('add', a, b.inputs[0]!);
      return a === b ? zero() : undefined;
    case 'mul':
      return product(node, a, b, builder, usesOf);
    case 'div':
      if (right === 1) return whole(a);
      if (left === 0) return zero();
      if (right !== undefined && node.dtype === 'float32' && isPowerOfTwo(right))
        return builder.binaryScalar('mul', whole(a), 1 / right);
      if (left === 1) return builder.unary('reciprocal', whole(b));
      // one division for each of a few numbers, then products, which cost less
      if (left === undefined && node.dtype === 'float32' && isMuchSmaller(b, node))
        return builder.binary('mul', a, builder.unary('reciprocal', b));
      return isUnary(b, 'reciprocal') ? builder.binary('mul', a, b.inputs[0]!) : undefined;
    case 'pow':
      if (right === 1) return whole(a);
      if (right === 2) return builder.binary('mul', whole(a), whole(a));
      if (right === 0.5) return builder.unary('sqrt', whole(a));
      return right === -1 ? builder.unary('reciprocal', whole(a)) : undefined;
    case 'and':
      if (left === 1) return whole(b);
      return right === 1 ? whole(a) : undefined;
    case 'or':
      if (left === 0) return whole(b);
      return right === 0 ? whole(a) : undefined;
    default:
      return undefined;
  }
}

function product(
  node: GraphNode,
  a: GraphNode,
  b: GraphNode,
  builder: GraphBuilder,
  usesOf: (node: GraphNode) => number,
): GraphNode | undefined {
  const left = uniformValue(a);
  const right = uniformValue(b);
  if (left === 0 || right === 0) return builder.constant(0, node.shape, node.dtype);
  if (right === 1) return builder.broadcast(a, node.shape);
  if (left !== undefined && right === undefined) return builder.binary('mul', b, a);
  if (isUnary(a, 'neg') && isUnary(b, 'neg')) return builder.binary('mul', a.inputs[0]!, b.inputs[0]!);
  if (right !== undefined) {
    if (right === -1) return builder.unary('neg', builder.broadcast(a, node.shape));
    if (isUnary(a, 'neg')) return builder.binary('mul', a.inputs[0]!, scalarLike(builder, -right, b));
    const inner = scaled(a);
    // (x·c)·d = x·(c·d), worth it while x·c is not needed by others too
    if (inner !== undefined && usesOf(a) === 1) {
      return builder.broadcast(builder.binaryScalar('mul', inner.x, Math.fround(inner.factor * right)), node.shape);
    }
    return undefined;
  }
  // a number moves outward, where it can meet another number or a matrix product
  const scaledLeft = usesOf(a) === 1 ? scaled(a) : undefined;
  if (scaledLeft !== undefined)
    return builder.binaryScalar('mul', builder.binary('mul', scaledLeft.x, b), scaledLeft.factor);
  const scaledRight = usesOf(b) === 1 ? scaled(b) : undefined;
  if (scaledRight !== undefined)
    return builder.binaryScalar('mul', builder.binary('mul', a, scaledRight.x), scaledRight.factor);
  if (isUnary(a, 'reciprocal') && !isMuchSmaller(a, node)) return builder.binary('div', b, a.inputs[0]!);
  if (isUnary(b, 'reciprocal') && !isMuchSmaller(b, node)) return builder.binary('div', a, b.inputs[0]!);
  return smallFirst(node, a, b, builder, usesOf) ?? smallFirst(node, b, a, builder, usesOf);
}

/** (x·a)·b = x·(a·b) for a large x and few numbers a and b: one pass over x instead of two. */
function smallFirst(
  node: GraphNode,
  large: GraphNode,
  b: GraphNode,
  builder: GraphBuilder,
  usesOf: (node: GraphNode) => number,
): GraphNode | undefined {
  if (large.op.kind !== 'binary' || large.op.fn !== 'mul' || !isMuchSmaller(b, node) || usesOf(large) > 1)
    return undefined;
  for (const [x, a] of [large.inputs, [...large.inputs].reverse()] as [GraphNode, GraphNode][]) {
    if (isMuchSmaller(a, node) && sameShape(x.shape, node.shape))
      return builder.binary('mul', x, builder.binary('mul', a, b));
  }
  return undefined;
}

/** Few numbers beside many: worth moving, since what is done to them costs nothing. */
export function isMuchSmaller(x: GraphNode, whole: GraphNode): boolean {
  return sizeOf(x.shape) * 8 <= sizeOf(whole.shape);
}

/** x·c ± y·c = (x ± y)·c */
function sumOfScaled(node: GraphNode, fn: string, { builder, usesOf }: RuleContext): GraphNode | undefined {
  if (fn !== 'add' && fn !== 'sub') return undefined;
  const [a, b] = node.inputs as [GraphNode, GraphNode];
  const left = scaled(a);
  const right = scaled(b);
  if (left === undefined || right === undefined || left.factor !== right.factor || usesOf(a) > 1 || usesOf(b) > 1)
    return undefined;
  return builder.binaryScalar('mul', builder.binary(fn, left.x, right.x), left.factor);
}

/** x and c of a node x·c whose shape is x's. */
function scaled(node: GraphNode): { x: GraphNode; factor: number } | undefined {
  if (node.op.kind !== 'binary' || node.op.fn !== 'mul' || node.dtype !== 'float32') return undefined;
  const factor = uniformValue(node.inputs[1]!);
  const x = node.inputs[0]!;
  return factor !== undefined && sameShape(x.shape, node.shape) ? { x, factor } : undefined;
}

function unary(node: GraphNode, fn: string, builder: GraphBuilder): GraphNode | undefined {
  const x = node.inputs[0]!;
  if (fn === 'neg') {
    if (isUnary(x, 'neg')) return x.inputs[0]!;
    if (x.op.kind === 'binary' && x.op.fn === 'sub') return builder.binary('sub', x.inputs[1]!, x.inputs[0]!);
    const inner = scaled(x);
    if (inner !== undefined) return builder.binaryScalar('mul', inner.x, -inner.factor);
  }
  if (fn === 'reciprocal' && isUnary(x, 'reciprocal')) return x.inputs[0]!;
  if (fn === 'not' && isUnary(x, 'not')) return x.inputs[0]!;
  if (fn === 'relu' && isUnary(x, 'relu')) return x;
  // the sign of relu(x) is that of x where it is positive, and relu(x) is in memory anyway
  if (fn === 'step' && isUnary(x, 'relu')) return builder.unary('step', x.inputs[0]!);
  return undefined;
}

function cast(node: GraphNode, builder: GraphBuilder): GraphNode | undefined {
  const x = node.inputs[0]!;
  if (x.dtype === node.dtype) return x;
  if (x.op.kind === 'cast' && x.inputs[0]!.dtype === 'bool') return builder.cast(x.inputs[0]!, node.dtype);
  if (x.op.kind === 'binary' && x.op.fn === 'greater' && node.dtype === 'float32') {
    const [a, b] = x.inputs as [GraphNode, GraphNode];
    if (a.dtype === 'float32' && uniformValue(b) === 0) return builder.unary('step', builder.broadcast(a, node.shape));
  }
  return undefined;
}

function select(node: GraphNode, builder: GraphBuilder): GraphNode | undefined {
  const [condition, yes, no] = node.inputs as [GraphNode, GraphNode, GraphNode];
  const known = uniformValue(condition);
  if (known !== undefined) return builder.broadcast(known !== 0 ? yes : no, node.shape);
  if (yes === no) return builder.broadcast(yes, node.shape);
  if (uniformValue(yes) === 1 && uniformValue(no) === 0)
    return builder.broadcast(builder.cast(condition, node.dtype), node.shape);
  return isUnary(condition, 'not') ? builder.select(condition.inputs[0]!, no, yes) : undefined;
}

export function isUnary(node: GraphNode, fn: string): boolean {
  return node.op.kind === 'unary' && node.op.fn === fn;
}

function scalarLike(builder: GraphBuilder, value: number, like: GraphNode): GraphNode {
  return builder.constant(value, like.shape, like.dtype);
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(Math.abs(value)));
}
