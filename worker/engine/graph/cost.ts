// What a graph will cost, computed before it runs: arithmetic in matrix products and convolutions,
// and the peak of memory when nodes run in order and each result lives until its last reader. A
// device's own schedule and allocator take more or less; docs/engine.md has measurements.
import { type Graph, type GraphNode, nodesOf, sizeOf, storageOf, uniformValue } from './operation.ts';

/**
 * Floating-point operations (a multiplication and an addition count as two) in products and
 * convolutions, where nearly all of them are.
 */
export function arithmeticOf(graph: Graph): number {
  let total = 0;
  for (const node of nodesOf(graph)) total += arithmeticOfNode(node);
  return total;
}

function arithmeticOfNode(node: GraphNode): number {
  const { op } = node;
  const [a, b] = node.inputs;
  switch (op.kind) {
    case 'matmul':
      return 2 * sizeOf(node.shape) * a!.shape.at(op.transposeA ? -2 : -1)!;
    case 'conv2d':
      return 2 * sizeOf(node.shape) * sizeOf(b!.shape.slice(1));
    case 'convInputGradient':
      return 2 * sizeOf(a!.shape) * sizeOf(b!.shape.slice(1));
    case 'convFilterGradient':
      return 2 * sizeOf(b!.shape) * sizeOf(node.shape.slice(1));
    default:
      return 0;
  }
}

/** Bytes held at the worst moment, inputs, constants and outputs included. */
export function peakBytesOf(graph: Graph): number {
  const nodes = nodesOf(graph);
  const lastReader = new Map<GraphNode, number>();
  nodes.forEach((node, position) => {
    for (const input of node.inputs) lastReader.set(storageOf(input), position);
  });
  for (const { node } of graph.outputs) lastReader.set(storageOf(node), nodes.length);
  const freedAfter = new Map<number, number>();
  let held = 0;
  let peak = 0;
  nodes.forEach((node, position) => {
    if (storageOf(node) === node) {
      const bytes = bytesOf(node);
      held += bytes;
      const end = lastReader.get(node) ?? position;
      freedAfter.set(end, (freedAfter.get(end) ?? 0) + bytes);
    }
    peak = Math.max(peak, held);
    held -= freedAfter.get(position) ?? 0;
  });
  return peak;
}

function bytesOf(node: GraphNode): number {
  if (uniformValue(node) !== undefined) return 4;
  return sizeOf(node.shape) * (node.dtype === 'bool' ? 1 : 4);
}
