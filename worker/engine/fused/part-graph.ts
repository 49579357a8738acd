// The part of a graph that ONNX Runtime computes between two kernels, as a graph of its own. Inputs
// and outputs are named by their position, so that equal parts, as those of the inner steps are,
// make equal models and share a session.
import { GraphBuilder } from '../graph/builder.ts';
import { type Graph, type GraphNode, isConstant } from '../graph/operation.ts';

export function partGraph(
  nodes: ReadonlySet<GraphNode>,
  inputs: readonly GraphNode[],
  outputs: readonly GraphNode[],
): Graph {
  const builder = new GraphBuilder();
  const made = new Map<GraphNode, GraphNode>();
  inputs.forEach(({ shape, dtype }, i) => {
    made.set(inputs[i]!, builder.make({ kind: 'input', source: 'task', name: `i${i}`, shape, dtype }));
  });
  const build = (node: GraphNode): GraphNode => {
    let result = made.get(node);
    if (result === undefined) {
      result = isConstant(node) ? builder.make(node.op) : builder.make(node.op, node.inputs.map(build));
      made.set(node, result);
    }
    return result;
  };
  for (const node of [...nodes].sort((a, b) => a.id - b.id)) build(node);
  return { outputs: outputs.map((node, i) => ({ name: `o${i}`, node: made.get(node)! })) };
}
