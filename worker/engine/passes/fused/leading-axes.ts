// Leading axes of length one: an elementwise operator reads its operand with them, since the rules
// for sums recognise means by them.
import { rewriteGraph } from '../../graph/builder.ts';
import { type Graph, sameShape } from '../../graph/operation.ts';
import type { PassRequest } from '../pass.ts';

/**
 * A mean [1, 1, 1, C] that is read as [C] is read as it is, so that the rules for sums recognise
 * it.
 */
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
