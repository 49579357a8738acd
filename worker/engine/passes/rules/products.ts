// Matrix products take in what surrounds them: transposes of their operands, and numbers that
// multiply an operand or the result. A product that others read too keeps its own result; a scaled
// operand costs nothing to look through.
import type { GraphBuilder } from '../../graph/builder.ts';
import { type GraphNode, type Operation, sameShape, uniformValue } from '../../graph/operation.ts';
import { isUnary } from './algebra.ts';
import type { Rule } from './rule.ts';

type Matmul = Extract<Operation, { kind: 'matmul' }>;

export const productRules: Rule = (node, { builder, usesOf }) => {
  const { op } = node;
  if (op.kind === 'matmul') return ofOperands(node, op, builder);
  const x = node.inputs[0];
  if (x?.op.kind !== 'matmul' || usesOf(x) !== 1) return undefined;
  if (op.kind === 'unary' && op.fn === 'neg') return builder.make({ ...x.op, alpha: -x.op.alpha }, x.inputs);
  if (op.kind === 'binary' && op.fn === 'mul') {
    const factor = uniformValue(node.inputs[1]!);
    if (factor !== undefined && sameShape(node.shape, x.shape))
      return builder.make({ ...x.op, alpha: Math.fround(x.op.alpha * factor) }, x.inputs);
  }
  // (A·B)ᵀ = Bᵀ·Aᵀ
  if (op.kind === 'transpose' && swapsLastTwo(op.perm)) {
    const [a, b] = x.inputs as [GraphNode, GraphNode];
    return builder.make({ ...x.op, transposeA: !x.op.transposeB, transposeB: !x.op.transposeA }, [b, a]);
  }
  return undefined;
};

function ofOperands(node: GraphNode, op: Matmul, builder: GraphBuilder): GraphNode | undefined {
  for (const position of [0, 1] as const) {
    const x = node.inputs[position]!;
    const replace = (operand: GraphNode, change: Partial<Matmul>) => {
      const inputs = position === 0 ? [operand, node.inputs[1]!] : [node.inputs[0]!, operand];
      return builder.make({ ...op, ...change }, inputs);
    };
    if (x.op.kind === 'transpose' && swapsLastTwo(x.op.perm)) {
      const source = x.inputs[0]!;
      return replace(source, position === 0 ? { transposeA: !op.transposeA } : { transposeB: !op.transposeB });
    }
    if (isUnary(x, 'neg')) return replace(x.inputs[0]!, { alpha: -op.alpha });
    if (x.op.kind === 'binary' && x.op.fn === 'mul') {
      const factor = uniformValue(x.inputs[1]!);
      const source = x.inputs[0]!;
      if (factor !== undefined && sameShape(source.shape, x.shape))
        return replace(source, { alpha: Math.fround(op.alpha * factor) });
    }
  }
  return undefined;
}

export function swapsLastTwo(perm: readonly number[]): boolean {
  const rank = perm.length;
  return (
    rank >= 2 &&
    perm.every(
      (axis, position) => axis === (position < rank - 2 ? position : position === rank - 2 ? rank - 1 : rank - 2),
    )
  );
}
