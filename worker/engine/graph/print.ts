// A graph as text, one node a line, numbered from zero: what golden tests compare and people read.
//   %3 = add(%1, %2) : float32[5,64]
import { keyOf } from './builder.ts';
import { type Graph, type GraphNode, nodesOf, type Operation, sizeOf } from './operation.ts';

export function printGraph(graph: Graph): string {
  const nodes = nodesOf(graph);
  const numbers = new Map(nodes.map((node, index) => [node, `%${index}`]));
  const lines = nodes.map((node) => `${numbers.get(node)} = ${expression(node, (input) => numbers.get(input)!)}`);
  for (const { name, node } of graph.outputs) lines.push(`output ${name} = ${numbers.get(node)}`);
  return `${lines.join('\n')}\n`;
}

/** Like `printGraph`, but complete, with all constants: graphs with equal keys compute the same. */
export function graphKey(graph: Graph): string {
  const nodes = nodesOf(graph);
  const numbers = new Map(nodes.map((node, index) => [node, index]));
  const lines = nodes.map(({ op, inputs }) => `${keyOf(op)} ${inputs.map((input) => numbers.get(input))}`);
  for (const { name, node } of graph.outputs) lines.push(`${name} ${numbers.get(node)}`);
  return lines.join('\n');
}

function expression(node: GraphNode, nameOf: (node: GraphNode) => string): string {
  const operands = node.inputs.map(nameOf).join(', ');
  return `${nameOfOperation(node.op)}(${[operands, attributes(node)].filter((part) => part !== '').join('; ')}) : ${node.dtype}[${node.shape}]`;
}

/** `add` rather than `binary`: what an operator does in one word. */
export function nameOfOperation(op: Operation): string {
  if (op.kind === 'unary' || op.kind === 'binary') return op.fn;
  if (op.kind === 'reduce') return `reduce${op.fn[0]!.toUpperCase()}${op.fn.slice(1)}`;
  if (op.kind === 'argReduce') return op.fn === 'max' ? 'argMax' : 'argMin';
  return op.kind;
}

function attributes(node: GraphNode): string {
  const { op } = node;
  if (op.kind === 'constant') {
    const shown = Array.from(op.values.slice(0, 6), (value) => String(value)).join(' ');
    return op.values.length === 1 ? shown : `${shown}${op.values.length > 6 ? ' …' : ''}`;
  }
  if (op.kind === 'input') return `${op.source}.${op.name}`;
  const shown: string[] = [];
  for (const [name, value] of Object.entries(op)) {
    if (name === 'kind' || name === 'fn' || name === 'shape' || name === 'dtype' || isDefault(name, value)) continue;
    shown.push(`${name}=${Array.isArray(value) ? `[${value}]` : String(value)}`);
  }
  return shown.join(' ');
}

function isDefault(name: string, value: unknown): boolean {
  if (value === false) return true;
  if (name === 'alpha' || name === 'groups') return value === 1;
  if (name === 'strides' || name === 'dilations') return (value as number[]).every((n) => n === 1);
  return false;
}

/**
 * How many nodes there are of each operator, the most frequent first, and the bytes that its
 * results take together.
 */
export function countOperations(graph: Graph): { name: string; nodes: number; bytes: number }[] {
  const counts = new Map<string, { nodes: number; bytes: number }>();
  for (const node of nodesOf(graph)) {
    const name = nameOfOperation(node.op);
    const known = counts.get(name) ?? { nodes: 0, bytes: 0 };
    counts.set(name, { nodes: known.nodes + 1, bytes: known.bytes + 4 * sizeOf(node.shape) });
  }
  return [...counts].map(([name, count]) => ({ name, ...count })).sort((a, b) => b.nodes - a.nodes);
}
