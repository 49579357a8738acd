// The gradient of a convolution's filter as one matrix product over all images and positions, since
// ONNX has no operator for it. The result is exact, and the ONNX writer needs it.
import { type GraphBuilder, rewriteGraph } from '../../graph/builder.ts';
import type { Graph, GraphNode, Operation } from '../../graph/operation.ts';
import type { PassRequest } from '../pass.ts';

/** Removes `convFilterGradient`; runs after tasks are batched. */
export function lowerFilterGradients(graph: Graph, { newBuilder }: PassRequest): Graph {
  return rewriteGraph(graph, newBuilder(), ({ op }, inputs, builder) => {
    return op.kind === 'convFilterGradient' ? filterGradient(builder, inputs[0]!, inputs[1]!, op) : undefined;
  });
}

/**
 * x [N, G·I, H, W], dy [N, G·O, h, w] → [G·O, I, kh, kw]. For each position in the filter, the
 * pixels of x that it has met; side by side these are [G, I·kh·kw, N·h·w], and their product with
 * dy over all images and positions is the gradient: one matrix product a group, long in what it
 * adds up.
 */
function filterGradient(
  builder: GraphBuilder,
  x: GraphNode,
  dy: GraphNode,
  op: Extract<Operation, { kind: 'convFilterGradient' }>,
): GraphNode {
  const { groups, strides, dilations, pads, filterSize } = op;
  const [images, channels] = x.shape as [number, number];
  const [, outChannels, outHeight, outWidth] = dy.shape as [number, number, number, number];
  const perGroup = channels / groups;
  const positions = images * outHeight * outWidth;
  const padded = builder.pad(x, [0, 0, pads[0], pads[1]], [0, 0, pads[2], pads[3]]);
  const channelsFirst = builder.transpose(padded, [1, 0, 2, 3]);
  const columns: GraphNode[] = [];
  for (let row = 0; row < filterSize[0]; row++) {
    for (let column = 0; column < filterSize[1]; column++) {
      const met = builder.slice(
        channelsFirst,
        [0, 0, row * dilations[0], column * dilations[1]],
        [channels, images, outHeight, outWidth],
        [1, 1, strides[0], strides[1]],
      );
      columns.push(builder.reshape(met, [groups, perGroup, positions]));
    }
  }
  const joined = builder.concat(columns, 1);
  const upstream = builder.reshape(builder.transpose(dy, [1, 0, 2, 3]), [groups, outChannels / groups, positions]);
  const product = builder.matmul(upstream, joined, { transposeB: true });
  const split = builder.reshape(product, [outChannels, filterSize[0], filterSize[1], perGroup]);
  return builder.transpose(split, [0, 3, 1, 2]);
}
