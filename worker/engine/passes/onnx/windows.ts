// Pooling in the convolutions' order. After the layout pass a tiling pool is arithmetic on
// [..., H′, k, W′, k], where a value of each window meets the window's elements through a broadcast
// along the innermost axes: the slowest thing an elementwise kernel can do. Here each such value is
// spread over its window once, as a tensor of its own, which the ONNX writer turns into an
// upsampling; it turns reductions over the windows into pools.
import { rewriteGraph } from '../../graph/builder.ts';
import type { Graph, GraphNode, Shape } from '../../graph/operation.ts';
import type { PassRequest } from '../pass.ts';

export function spreadWindows(graph: Graph, { newBuilder }: PassRequest): Graph {
  return rewriteGraph(graph, newBuilder(), (node, inputs, builder) => {
    if (node.op.kind !== 'binary' && node.op.kind !== 'select') return undefined;
    const spread = inputs.map((input) =>
      isPerWindow(input, node.shape) ? builder.broadcast(input, windowed(input.shape, node.shape)) : input,
    );
    return spread.some((input, i) => input !== inputs[i]) ? builder.make(node.op, spread) : undefined;
  });
}

/** [..., H′, 1, W′, 1] read by a result [..., H′, k, W′, k]. */
function isPerWindow(input: GraphNode, shape: Shape): boolean {
  if (input.op.kind === 'constant' || input.shape.length !== shape.length || shape.length < 4) return false;
  const [height, one, width, other] = input.shape.slice(-4) as [number, number, number, number];
  const [outHeight, rows, outWidth, columns] = shape.slice(-4) as [number, number, number, number];
  return (
    one === 1 &&
    other === 1 &&
    rows > 1 &&
    columns > 1 &&
    height === outHeight &&
    width === outWidth &&
    height * width > 1
  );
}

function windowed(shape: Shape, result: Shape): number[] {
  return [...shape.slice(0, -3), result.at(-3)!, shape.at(-2)!, result.at(-1)!];
}
