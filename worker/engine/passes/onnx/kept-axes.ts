// Completes the rules for axes of length one: a reduction drops its axes itself where a reshape
// still follows it.
import { rewriteGraph } from '../../graph/builder.ts';
import { type Graph, usesOf } from '../../graph/operation.ts';
import type { PassRequest } from '../pass.ts';
import { keptAxes } from '../rules/unit-axes.ts';

/**
 * reshape(reduce keeping its axes) → reduce dropping them, and with them the other axes of length
 * one that the reshape drops.
 */
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
