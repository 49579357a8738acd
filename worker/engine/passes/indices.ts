// Indices as comparisons and products: one-hot rows and segment sums in operators that ONNX has.
// The result is exact, and the ONNX writer and the fused executor both need it.
import { arrayOf, type GraphBuilder, rewriteGraph } from '../graph/builder.ts';
import { type Graph, type GraphNode, type Operation, sizeOf } from '../graph/operation.ts';
import type { PassRequest } from './pass.ts';

/** Removes `oneHot` and `segmentSum`; runs before tasks are batched. */
export function lowerIndices(graph: Graph, { newBuilder }: PassRequest): Graph {
  return rewriteGraph(graph, newBuilder(), ({ op }, inputs, builder) => {
    if (op.kind === 'oneHot') return oneHot(builder, inputs[0]!, op);
    return op.kind === 'segmentSum' ? segmentSum(builder, inputs[0]!, inputs[1]!, op.count) : undefined;
  });
}

/** indices [...] → bool [..., depth]: true at the index, nowhere for one out of range. */
function isIndex(builder: GraphBuilder, indices: GraphNode, depth: number): GraphNode {
  const counting = builder.constant(
    arrayOf(
      'int32',
      Array.from({ length: depth }, (_, i) => i),
    ),
    [depth],
    'int32',
  );
  const column = builder.reshape(builder.cast(indices, 'int32'), [...indices.shape, 1]);
  return builder.binary('equal', column, counting);
}

function oneHot(builder: GraphBuilder, indices: GraphNode, op: Extract<Operation, { kind: 'oneHot' }>): GraphNode {
  const hot = builder.cast(isIndex(builder, indices, op.depth), op.dtype);
  if (op.on === 1 && op.off === 0) return hot;
  return builder.binaryScalar('add', builder.binaryScalar('mul', hot, op.on - op.off), op.off);
}

/** onehot(indices)ᵀ · x: deterministic, and every index out of range adds nothing. */
function segmentSum(builder: GraphBuilder, x: GraphNode, indices: GraphNode, count: number): GraphNode {
  const rows = sizeOf(indices.shape);
  const rest = x.shape.slice(indices.shape.length);
  const hot = builder.cast(isIndex(builder, builder.reshape(indices, [rows]), count), 'float32');
  const flat = builder.cast(builder.reshape(x, [rows, sizeOf(rest)]), 'float32');
  const sums = builder.matmul(hot, flat, { transposeA: true });
  return builder.cast(builder.reshape(sums, [count, ...rest]), x.dtype);
}
