// Columns of few numbers, as a first layer on one channel has them, are no matter for a matrix product: kernels add up the products as they go, image by
// image shifted against the filter, and a filter's gradient is a sum for each of its positions. Runs last: nothing should move the shifts into each other.
import { type GraphBuilder, rewriteGraph } from '../graph/builder.ts';
import { type Graph, type GraphNode, type Operation, sizeOf } from '../graph/operation.ts';
import type { PassRequest } from './pass.ts';

/** Numbers in a column that are still few. */
const fewNumbers = 9;

export function lowerShortColumns(graph: Graph, { newBuilder }: PassRequest): Graph {
  return rewriteGraph(graph, newBuilder(), ({ op }, inputs, builder) => {
    const [columns, other] = inputs;
    if (op.kind !== 'matmul' || columns?.op.kind !== 'columns' || columns.shape[1]! > fewNumbers || op.transposeB)
      return undefined;
    const sums = op.transposeA ? filterGradient(builder, columns, other!) : convolution(builder, columns, other!);
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

/** For each k the sum of shiftₖ · dy over all images and positions, with dy [N·h·w, O] → [K, O] */
function filterGradient(builder: GraphBuilder, columns: GraphNode, dy: GraphNode): GraphNode {
  const outChannels = dy.shape[1]!;
  const { outputSize } = columnsOf(columns);
  const upstream = builder.reshape(dy, [columns.inputs[0]!.shape[0]!, ...outputSize, outChannels]);
  const sums = shifts(builder, columns).map((shift) =>
    builder.reduce('sum', builder.binary('mul', shift, upstream), [0, 1, 2], true),
  );
  return builder.reshape(builder.concat(sums, 0), [columns.shape[1]!, outChannels]);
}

function columnsOf({ op }: GraphNode): Extract<Operation, { kind: 'columns' }> {
  if (op.kind !== 'columns') throw new Error(`${op.kind} in the place of columns`);
  return op;
}

/** For each position in the filter and each channel, what of the images it meets: [N, h, w, 1]. */
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
