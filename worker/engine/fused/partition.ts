// Who computes which node: the kernels, ONNX Runtime's products of a convolution, or ONNX Runtime
// with a part of the graph as it is ("offloaded"). And which nodes lie in memory: the others exist
// only inside a kernel. What a kernel cannot do is found by trying, and offloaded.
import { type Graph, type GraphNode, nodesOf, sizeOf, storageOf, uniformValue, usesOf } from '../graph/operation.ts';
import { isWindow } from './expression.ts';
import { NotFusable } from './indexing.ts';
import { buildKernel, isSum } from './kernel.ts';
import { type ProductPlan, planProduct } from './products.ts';
import { comparedNodes, isTiled } from './tiles.ts';

export interface Partition {
  readonly nodes: readonly GraphNode[];
  /** Matrix products with the columns of a convolution. */
  readonly products: ReadonlyMap<GraphNode, ProductPlan>;
  /** Those of them that are computed in tiles. */
  readonly tiled: ReadonlySet<GraphNode>;
  readonly offloaded: ReadonlySet<GraphNode>;
  /** Computed by kernels and kept in memory. */
  readonly roots: ReadonlySet<GraphNode>;
  /** Whether a node's value lies in memory under its own name. */
  readonly isInMemory: (node: GraphNode) => boolean;
}

/** A tensor read by more than this many times as many elements is computed once, before. */
const largestRepetition = 8;
/** What takes more operations than this and is read more than once is computed once. */
const largestRepeatedWork = 16;
/** Nodes of at most so many elements are computed where their operands come from. */
const smallSize = 4096;

/** @throws NotFusable where a product has a form that convolutions and their gradients do not have. */
export function partition(graph: Graph): Partition {
  const nodes = nodesOf(graph);
  const products = new Set(nodes.filter(isProduct));
  const refused = new Set<GraphNode>();
  const forced = new Set<GraphNode>();
  for (;;) {
    const offloaded = offload(graph, nodes, products, refused);
    const isComputed = (node: GraphNode) => isKernels(node) && !offloaded.has(node);
    const roots = rootsOf(graph, nodes, products, offloaded, isComputed, forced);
    const isInMemory = (node: GraphNode) =>
      roots.has(node) || products.has(node) || offloaded.has(node) || isGiven(node);
    if (!canBuildAll(roots, isInMemory, { refused, forced })) continue;
    const plans = new Map([...products].map((node) => [node, planProduct(node, isInMemory)]));
    const compared = comparedNodes(graph);
    const tiled = new Set([...products].filter((node) => isTiled(plans.get(node)!, compared)));
    return { nodes, products: plans, tiled, offloaded, roots, isInMemory };
  }
}

/** Inputs, and constants that are more than one number. */
export function isGiven(node: GraphNode): boolean {
  return node.op.kind === 'input' || (node.op.kind === 'constant' && uniformValue(node) === undefined);
}

function isProduct({ op, inputs }: GraphNode): boolean {
  return op.kind === 'matmul' && inputs.some((input) => input.op.kind === 'columns');
}

/** Operators that kernels may know; whether they do depends on the shapes too. */
function isKernels({ op, dtype }: GraphNode): boolean {
  if (dtype === 'int32') return false;
  switch (op.kind) {
    case 'unary':
    case 'binary':
    case 'select':
    case 'cast':
    case 'reshape':
    case 'transpose':
    case 'broadcast':
    case 'slice':
    case 'reverse':
    case 'pad':
    case 'concat':
    case 'reduce':
    case 'after':
      return true;
    default:
      return false;
  }
}

function offload(
  graph: Graph,
  nodes: readonly GraphNode[],
  products: ReadonlySet<GraphNode>,
  refused: ReadonlySet<GraphNode>,
): Set<GraphNode> {
  const isFree = (node: GraphNode) => isGiven(node) || node.op.kind === 'constant' || node.op.kind === 'columns';
  const offloaded = new Set(
    nodes.filter((node) => !isFree(node) && !products.has(node) && (!isKernels(node) || refused.has(node))),
  );
  for (let before = -1; before !== offloaded.size; ) {
    before = offloaded.size;
    for (const node of nodes) {
      if (isFree(node) || products.has(node)) continue;
      // truth values live in kernels alone, or in ONNX Runtime alone
      const meetsTruth = node.inputs.some(
        (input) => input.dtype === 'bool' && (offloaded.has(input) || isGiven(input)),
      );
      const varying = node.inputs.filter((input) => input.op.kind !== 'constant');
      const follows =
        sizeOf(node.shape) <= smallSize &&
        varying.some((input) => offloaded.has(input)) &&
        varying.every((input) => offloaded.has(input) || input.op.kind === 'input');
      if (meetsTruth || follows) offloaded.add(node);
      if (offloaded.has(node)) for (const input of node.inputs) if (input.dtype === 'bool' && !isFree(input)) offloaded.add(input); // biome-ignore format: one line
    }
    for (const { node } of graph.outputs) if (node.dtype === 'bool' && !isFree(node)) offloaded.add(node);
  }
  return offloaded;
}

function rootsOf(
  graph: Graph,
  nodes: readonly GraphNode[],
  products: ReadonlySet<GraphNode>,
  offloaded: ReadonlySet<GraphNode>,
  isComputed: (node: GraphNode) => boolean,
  forced: ReadonlySet<GraphNode>,
): Set<GraphNode> {
  const roots = new Set<GraphNode>();
  const uses = usesOf(graph);
  const isShared = (node: GraphNode) => uses.get(node)! > 1 && node.dtype === 'float32';
  const work = (node: GraphNode) => workOf(node, (other) => !isComputed(other) || roots.has(other));
  const keep = (node: GraphNode) => {
    const storage = storageOf(node, (owner) => offloaded.has(owner));
    if (isComputed(storage)) roots.add(storage);
  };
  for (const node of nodes) {
    if (node.op.kind === 'columns' || products.has(node) || offloaded.has(node)) node.inputs.forEach(keep);
    if (!isComputed(node)) continue;
    if (isSum(node) || ['pad', 'concat', 'after'].includes(node.op.kind) || forced.has(node)) keep(node);
    if (isShared(node) && work(node) > largestRepeatedWork) keep(node);
    if (node.op.kind === 'after') node.inputs.forEach(keep);
    if (node.op.kind === 'reduce' && !isWindow(node)) continue;
    for (const input of node.inputs) {
      if (sizeOf(node.shape) > largestRepetition * sizeOf(input.shape) && work(input) > 0) keep(input);
    }
  }
  for (const { node } of graph.outputs) keep(node);
  return roots;
}

/** Operations between memory and a node. */
function workOf(root: GraphNode, isInMemory: (node: GraphNode) => boolean): number {
  const seen = new Set<GraphNode>();
  const stack = [root];
  let work = 0;
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node) || (node !== root && isInMemory(node))) continue;
    seen.add(node);
    if (['unary', 'binary', 'select', 'reduce'].includes(node.op.kind)) work += 1;
    stack.push(...node.inputs);
  }
  return work;
}

/**
 * Tries a kernel for each root; what stands in its way is put in memory, or offloaded. Whether all
 * could be built.
 */
function canBuildAll(
  roots: ReadonlySet<GraphNode>,
  isInMemory: (node: GraphNode) => boolean,
  { refused, forced }: { readonly refused: Set<GraphNode>; readonly forced: Set<GraphNode> },
): boolean {
  let isComplete = true;
  for (const root of roots) {
    try {
      buildKernel([root], isInMemory);
    } catch (error) {
      if (!(error instanceof NotFusable)) throw error;
      isComplete = false;
      const node = error.node ?? root;
      const source = node.op.kind === 'reshape' ? storageOf(node, isInMemory) : node;
      // what is computed on the way to a reshape can be reshaped once it lies in memory
      if (source !== node && !isInMemory(source)) forced.add(source);
      else refused.add(node);
    }
  }
  return isComplete;
}
