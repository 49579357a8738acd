// Convolutions with columns of few numbers, such as a first layer on one channel: kernels add up
// the products of shifted images directly. The filter's gradient stays a product, since the few
// numbers are rows there. Runs last, so that no other pass merges the shifts.
import { type GraphBuilder, rewriteGraph } from '../../graph/builder.ts';
import { type Graph, type GraphNode, type Operation, sizeOf } from '../../graph/operation.ts';
import type { PassRequest } from '../pass.ts';

/** The most numbers that a short column has. */
const fewNumbers = 9;

export function lowerShortColumns(graph: Graph, { newBuilder }: PassRequest): Graph {
  return rewriteGraph(graph, newBuilder(), ({ op }, inputs, builder) => {
    const [columns, other] = inputs;
    if (op.kind !== 'matmul' || columns?.op.kind !== 'columns' || columns.shape[1]! > fewNumbers) return undefined;
    if (op.transposeA || op.transposeB) return undefined;
    const sums = convolution(builder, columns, other!);
    return op.alpha === 1 ? sums : builder.binaryScalar('mul', sums, op.alpha);
  });
}

/** Σₖ shiftₖ · weightsₖ, with weights [K, O] → [N·h·w, O] */
function convolution(builder: GraphBuilder, columns: GraphNode, weights: GraphNode): GraphNode {
  const [count, outChannels] = weights.shape as [number, number];
  const terms = shifts(builder, columns).map((shift, k) =>
    builder.binary('mul', shift, builder.reshape(builder.slice(weights, [k, 0], [1, outChannels]), [outChannels])),
  );
  if (terms.length !== count) throw new Error('columns that do not meet their weights');
  const sum = terms.reduce((a, b) => builder.binary('add', a, b));
  return builder.reshape(sum, [columns.shape[0]!, outChannels]);
}

function columnsOf({ op }: GraphNode): Extract<Operation, { kind: 'columns' }> {
  if (op.kind !== 'columns') throw new Error(`${op.kind} in the place of columns`);
  return op;
}

/**
 * For each position in the filter and each channel, the part of the images that it meets:
 * [N, h, w, 1].
 */
function shifts(builder: GraphBuilder, columns: GraphNode): GraphNode[] {
  const { strides, dilations, pads, filterSize, outputSize } = columnsOf(columns);
  const x = columns.inputs[0]!;
  const [images, , , channels] = x.shape as [number, number, number, number];
  const padded = builder.pad(x, [0, pads[0], pads[1], 0], [0, pads[2], pads[3], 0]);
  return Array.from({ length: sizeOf(filterSize) * channels }, (_, k) => {
    const column = Math.floor(k / channels) % filterSize[1];
    const row = Math.floor(k / channels / filterSize[1]);
    return builder.slice(
      padded,
      [0, row * dilations[0], column * dilations[1], k % channels],
      [images, ...outputSize, 1],
      [1, ...strides, 1],
    );
  });
}
