// The order of a fused run: steps of kernels, products and parts for ONNX Runtime. Whatever kernels
// can do is done first, together where they run over the same elements; then the next product in
// the graph's order, with what else multiplies its columns; only when neither is left, all that
// ONNX Runtime can do by then as one part. The order follows from the graph alone.
import { type Graph, type GraphNode, isConstant, storageOf, uniformValue } from '../graph/operation.ts';
import { NotFusable } from './indexing.ts';
import { buildKernel, isSum, type Kernel, sourcesOf, spaceKey } from './kernel.ts';
import { isGiven, type Partition } from './partition.ts';
import type { ProductPlan } from './products.ts';

export type Step =
  | {
      readonly kind: 'kernel';
      readonly kernel: Kernel;
      readonly reads: readonly GraphNode[];
      readonly writes: readonly GraphNode[];
    }
  | {
      /** Of the same columns, all in tiles or none. */
      readonly kind: 'products';
      readonly plans: readonly ProductPlan[];
      readonly areTiled: boolean;
      readonly reads: readonly GraphNode[];
      readonly writes: readonly GraphNode[];
    }
  | {
      readonly kind: 'part';
      readonly nodes: ReadonlySet<GraphNode>;
      /** From outside, as its nodes read them: each is a view of a tensor in memory. */
      readonly inputs: readonly GraphNode[];
      readonly reads: readonly GraphNode[];
      readonly writes: readonly GraphNode[];
    };

/** More than so many sums and stores in one kernel would not stay in registers. */
const largestGroup = 12;

export function schedule(graph: Graph, parts: Partition): Step[] {
  const { nodes, products, tiled, offloaded, roots, isInMemory } = parts;
  const done = new Set(nodes.filter(isGiven));
  const memoryOf = (node: GraphNode) => storageOf(node, isInMemory);
  const sources = new Map<GraphNode, readonly GraphNode[]>();
  for (const root of roots) sources.set(root, [...sourcesOf(root, isInMemory)]);
  for (const [product, { images, otherStorage }] of products) sources.set(product, [images, otherStorage]);
  for (const node of offloaded) sources.set(node, node.inputs.filter((input) => !isConstant(input)).map(memoryOf));
  const isReady = (node: GraphNode) => sources.get(node)!.every((source) => done.has(source));
  const waiting = { roots: new Set(inOrder(roots)), products: new Set(inOrder(products.keys())), offloaded: new Set(inOrder(offloaded)) }; // biome-ignore format: one line
  const readOutside = readOutsideParts(graph, parts);
  const steps: Step[] = [];
  for (;;) {
    const groups = groupsOf([...waiting.roots].filter(isReady));
    for (const group of groups) {
      group.push(...[...waiting.roots].filter((root) => isSumOf(root, group, (source) => done.has(source), sources)));
      steps.push(...kernelSteps(group, isInMemory, sources));
      for (const root of group) {
        waiting.roots.delete(root);
        done.add(root);
      }
    }
    if (groups.length > 0) continue;
    const ready = [...waiting.products].filter(isReady);
    if (ready.length > 0) {
      const { columns } = products.get(ready[0]!)!;
      const together = ready.filter((node) => products.get(node)!.columns === columns);
      for (const areTiled of [false, true]) {
        const nodes = together.filter((node) => tiled.has(node) === areTiled);
        if (nodes.length === 0) continue;
        const reads = [...new Set(nodes.flatMap((node) => sources.get(node)!))];
        steps.push({ kind: 'products', plans: nodes.map((node) => products.get(node)!), areTiled, reads, writes: nodes }); // biome-ignore format: one line
      }
      for (const product of together) {
        waiting.products.delete(product);
        done.add(product);
      }
      continue;
    }
    const part = new Set<GraphNode>();
    for (const node of waiting.offloaded) {
      // a view of what this part computes is read from memory: by a later part
      const isTooEarly = node.inputs.some((input) => !part.has(input) && part.has(memoryOf(input)));
      if (isTooEarly || !isReady(node)) continue;
      part.add(node);
      done.add(node);
    }
    if (part.size === 0) break;
    for (const node of part) waiting.offloaded.delete(node);
    const inputs = [...new Set([...part].flatMap((node) => node.inputs))].filter(
      (input) => !part.has(input) && !isConstant(input),
    );
    const writes = [...part].filter((node) => readOutside(node, part));
    steps.push({ kind: 'part', nodes: part, inputs, reads: inputs.map(memoryOf), writes });
  }
  if (waiting.roots.size + waiting.products.size + waiting.offloaded.size > 0)
    throw new Error('a fused graph whose nodes wait for each other');
  return steps;
}

function inOrder(nodes: Iterable<GraphNode>): GraphNode[] {
  return [...nodes].sort((a, b) => a.id - b.id);
}

function groupsOf(roots: readonly GraphNode[]): GraphNode[][] {
  const groups: GraphNode[][] = [];
  const open = new Map<string, GraphNode[]>();
  for (const root of roots) {
    const key = spaceKey(root);
    let group = open.get(key);
    if (group === undefined || group.length === largestGroup) {
      group = [];
      open.set(key, group);
      groups.push(group);
    }
    group.push(root);
  }
  return groups;
}

/**
 * Whether a root only waits for what a kernel over the same elements computes: it can be added up
 * there as it comes.
 */
function isSumOf(
  root: GraphNode,
  group: readonly GraphNode[],
  isDone: (node: GraphNode) => boolean,
  sources: ReadonlyMap<GraphNode, readonly GraphNode[]>,
): boolean {
  if (group.includes(root) || !isSum(root) || spaceKey(root) !== spaceKey(group[0]!)) return false;
  return sources.get(root)!.every((source) => isDone(source) || (group.includes(source) && !isSum(source)));
}

function kernelSteps(
  group: readonly GraphNode[],
  isInMemory: (node: GraphNode) => boolean,
  sources: ReadonlyMap<GraphNode, readonly GraphNode[]>,
): Step[] {
  const step = (roots: readonly GraphNode[]): Step => ({
    kind: 'kernel',
    kernel: buildKernel(roots, isInMemory),
    reads: [...new Set(roots.flatMap((root) => sources.get(root)!))],
    writes: roots,
  });
  try {
    return [step(group)];
  } catch (error) {
    if (!(error instanceof NotFusable)) throw error;
    return group.map((root) => step([root]));
  }
}

/** Whether a node of a part is read by anything but that part: another step, or the caller. */
function readOutsideParts(
  graph: Graph,
  { nodes }: Partition,
): (node: GraphNode, part: ReadonlySet<GraphNode>) => boolean {
  const readers = new Map<GraphNode, GraphNode[]>();
  for (const node of nodes) {
    for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  const results = new Set(graph.outputs.map(({ node }) => node));
  return (node, part) =>
    uniformValue(node) === undefined &&
    (results.has(node) || (readers.get(node) ?? []).some((reader) => !part.has(reader)));
}
