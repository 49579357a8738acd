// Everything about a fused run that follows from its graph: steps, where each tensor lies, how many
// bytes it takes. Undefined where fusing is not possible or not worth it; the graph then runs as
// one ONNX model.
import { type Graph, type GraphNode, nodesOf, sizeOf, storageOf, uniformValue } from '../graph/operation.ts';
import { NotFusable } from './indexing.ts';
import { type Lifetime, type MemoryPlan, planMemory } from './memory-plan.ts';
import { isGiven, partition } from './partition.ts';
import { type AddressOf, multiplyColumns, Scratch, type Work } from './products.ts';
import { type Step, schedule } from './schedule.ts';
import { multiplyTiles } from './tiles.ts';

export interface FusedPlan {
  readonly graph: Graph;
  readonly steps: readonly Step[];
  readonly memory: MemoryPlan;
  /** Where steps of products lay out their operands. */
  readonly scratchAddress: number;
  /**
   * The size of the WebAssembly memory, which is all that a run needs in addition to ONNX Runtime's
   * own.
   */
  readonly peakBytes: number;
}

/** If ONNX Runtime's parts have larger tensors than this, kernels do not cover enough of the graph. */
const largestOffloaded = 1 << 16;
const largestMemory = 2 ** 31;

export function planFused(graph: Graph): FusedPlan | undefined {
  const nodes = nodesOf(graph);
  const kinds = new Set(nodes.map(({ op }) => op.kind));
  if (!kinds.has('columns') || (['conv2d', 'convInputGradient', 'convFilterGradient'] as const).some((kind) => kinds.has(kind))) return undefined; // biome-ignore format: one line
  try {
    const parts = partition(graph);
    if ([...parts.offloaded].some((node) => sizeOf(node.shape) > largestOffloaded)) return undefined;
    const steps = schedule(graph, parts);
    const scratchAddress = 64;
    const start = steps.reduce((end, step) => Math.max(end, scratchEnd(step, scratchAddress)), scratchAddress);
    const memory = planMemory(lifetimes(graph, nodes, steps, parts.isInMemory), start);
    if (memory.totalBytes > largestMemory) return undefined;
    return { graph, steps, memory, scratchAddress, peakBytes: memory.totalBytes };
  } catch (error) {
    if (error instanceof NotFusable) return undefined;
    throw error;
  }
}

function scratchEnd(step: Step, start: number): number {
  const scratch = new Scratch(start);
  if (step.kind === 'products') worksOf(step, () => 0, scratch);
  return scratch.end;
}

/** What a step of products does. @param addressOf of tensors in memory */
export function worksOf(step: Extract<Step, { kind: 'products' }>, addressOf: AddressOf, scratch: Scratch): Work[] {
  return (step.areTiled ? multiplyTiles : multiplyColumns)(step.plans, addressOf, scratch);
}

function lifetimes(
  graph: Graph,
  nodes: readonly GraphNode[],
  steps: readonly Step[],
  isInMemory: (node: GraphNode) => boolean,
): Lifetime[] {
  const from = new Map<GraphNode, number>();
  const to = new Map<GraphNode, number>();
  for (const node of nodes) {
    if (!isGiven(node)) continue;
    from.set(node, 0);
    // constants are written once and stay
    to.set(node, node.op.kind === 'constant' ? steps.length : 0);
  }
  steps.forEach(({ reads, writes }, position) => {
    for (const node of writes) {
      from.set(node, position);
      to.set(node, Math.max(to.get(node) ?? 0, position));
    }
    for (const node of reads) to.set(node, Math.max(to.get(node)!, position));
  });
  for (const { node } of graph.outputs) {
    if (uniformValue(node) === undefined) to.set(storageOf(node, isInMemory), steps.length);
  }
  return [...from].map(([node, start]) => ({ node, from: start, to: to.get(node)! }));
}
