// Sums over the task axis go into what they add up: the sum of T small matrix products is one
// product over T times as many rows, and the sum of T filter gradients is one filter gradient over
// T times as many images.
import type { GraphBuilder } from '../../graph/builder.ts';
import { type GraphNode, sameShape } from '../../graph/operation.ts';
import type { Rule, RuleContext } from './rule.ts';

export const taskSumRules: Rule = (node, context) => {
  const { op } = node;
  if (op.kind !== 'reduce' || op.fn !== 'sum' || op.axes.length !== 1 || op.axes[0] !== 0) return undefined;
  const x = node.inputs[0]!;
  if (!canAbsorb(x, context)) return undefined;
  return context.builder.reshape(sumOverFirst(x, context), node.shape);
};

/**
 * Whether a sum over the first axis turns into a larger product somewhere below, without repeating
 * work that others need as it is.
 */
function canAbsorb(x: GraphNode, { usesOf }: RuleContext): boolean {
  if (usesOf(x) > 1) return false;
  if (isTaskProduct(x) || isTaskFilterGradient(x)) return true;
  const { op } = x;
  if (op.kind === 'binary' && (op.fn === 'add' || op.fn === 'sub')) {
    return (
      x.inputs.every((input) => sameShape(input.shape, x.shape)) &&
      x.inputs.some((input) => canAbsorb(input, { usesOf } as RuleContext))
    );
  }
  if (op.kind === 'transpose') return op.perm[0] === 0 && canAbsorb(x.inputs[0]!, { usesOf } as RuleContext);
  return false;
}

/** The sum, without the first axis. */
function sumOverFirst(x: GraphNode, context: RuleContext): GraphNode {
  const { builder } = context;
  const { op } = x;
  if (!canAbsorb(x, context)) return builder.reduce('sum', x, [0]);
  if (isTaskProduct(x)) return mergedProduct(x, builder);
  if (isTaskFilterGradient(x)) return mergedFilterGradient(x, builder);
  if (op.kind === 'transpose') {
    return builder.transpose(
      sumOverFirst(x.inputs[0]!, context),
      op.perm.slice(1).map((axis) => axis - 1),
    );
  }
  return builder.make(
    op,
    x.inputs.map((input) => sumOverFirst(input, context)),
  );
}

/** aᵀ·b with a [T, K, M] and b [T, K, N]. */
function isTaskProduct(x: GraphNode): boolean {
  const { op } = x;
  if (op.kind !== 'matmul' || !op.transposeA || op.transposeB) return false;
  return x.inputs.every((input) => input.shape.length === 3 && input.shape[0] === x.shape[0]) && x.shape[0]! > 1;
}

function mergedProduct(x: GraphNode, builder: GraphBuilder): GraphNode {
  const [a, b] = x.inputs.map((input) =>
    builder.reshape(input, [input.shape[0]! * input.shape[1]!, input.shape[2]!]),
  ) as [GraphNode, GraphNode];
  return builder.make(x.op, [a, b]);
}

/**
 * [T, O, I, h, w] out of a gradient with a group a task, x [N, T·C, H, W]: the same memory holds
 * [N·T, C, H, W].
 */
function isTaskFilterGradient(x: GraphNode): boolean {
  const gradient = x.inputs[0];
  if (x.op.kind !== 'reshape' || gradient?.op.kind !== 'convFilterGradient') return false;
  const { shape } = gradient;
  return x.shape.length === 5 && gradient.op.groups % x.shape[0]! === 0 && x.shape[0]! * x.shape[1]! === shape[0];
}

function mergedFilterGradient(x: GraphNode, builder: GraphBuilder): GraphNode {
  const gradient = x.inputs[0]!;
  const { op } = gradient;
  if (op.kind !== 'convFilterGradient') throw new Error('not a filter gradient');
  const tasks = x.shape[0]!;
  const merged = gradient.inputs.map((input) => {
    const [images, channels, ...size] = input.shape as [number, number, number, number];
    return builder.reshape(input, [images * tasks, channels / tasks, ...size]);
  });
  return builder.make({ ...op, groups: op.groups / tasks }, merged);
}
