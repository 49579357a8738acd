// A dense layer on given numbers, x·W + b, as one product [x 1]·[W; b]: the bias costs no pass over
// the layer's result, and its gradient no sum over that of the loss. Where an inner loop updates W
// and b by this layer's gradients, the two are one tensor from the first step to the last. Only for
// an x that does not depend on the parameters; elsewhere the ones would have to be appended anew in
// every step.
import type { GraphBuilder } from '../../graph/builder.ts';
import {
  type BinaryFunction,
  type Graph,
  type GraphNode,
  nodesOf,
  type Shape,
  sameShape,
} from '../../graph/operation.ts';
import type { PassRequest } from '../pass.ts';

export function joinBiases(graph: Graph, { newBuilder }: PassRequest): Graph {
  const layers = new Layers(graph);
  return layers.isEmpty ? graph : layers.rewrite(newBuilder());
}

/**
 * Weights [..., K, N] and a bias [..., 1, N] (or of fewer axes), or their gradients, that become
 * [..., K + 1, N].
 */
interface Pair {
  readonly weights: GraphNode;
  readonly bias: GraphNode;
  readonly source:
    | { readonly kind: 'parameters' }
    /** xᵀ·dz and the sum of dz's rows. */
    | { readonly kind: 'gradients'; readonly x: GraphNode; readonly dz: GraphNode }
    | { readonly kind: 'elementwise'; readonly fn: BinaryFunction; readonly operands: readonly [Pair, Pair] };
}

interface Layer {
  readonly x: GraphNode;
  readonly pair: Pair;
}

class Layers {
  private readonly graph: Graph;
  private readonly nodes: readonly GraphNode[];
  /** Nodes that depend on the tasks' data alone. */
  private readonly given = new Set<GraphNode>();
  private readonly pairs = new Map<string, Pair | undefined>();
  /** Layers by their node x·W + b. */
  private readonly found = new Map<GraphNode, Layer>();

  constructor(graph: Graph) {
    this.graph = graph;
    this.nodes = nodesOf(graph);
    for (const node of this.nodes) {
      const isGiven =
        node.op.kind === 'input' ? node.op.source === 'task' : node.inputs.every((input) => this.given.has(input));
      if (isGiven) this.given.add(node);
      else this.find(node);
    }
  }

  get isEmpty(): boolean {
    return this.found.size === 0;
  }

  private find(node: GraphNode): void {
    if (node.op.kind !== 'binary' || node.op.fn !== 'add') return;
    for (const [product, bias] of [node.inputs, [...node.inputs].reverse()] as [GraphNode, GraphNode][]) {
      const { op } = product;
      if (op.kind !== 'matmul' || op.transposeA || op.transposeB || op.alpha !== 1) continue;
      const [x, weights] = product.inputs as [GraphNode, GraphNode];
      const pair = this.given.has(x) && sameShape(product.shape, node.shape) && this.pairOf(weights, bias);
      if (pair) this.found.set(node, { x, pair });
    }
  }

  /** Undefined where joining the two would take a copy in every step. */
  private pairOf(weights: GraphNode, bias: GraphNode): Pair | undefined {
    const key = `${weights.id},${bias.id}`;
    if (!this.pairs.has(key)) this.pairs.set(key, this.newPair(weights, bias));
    return this.pairs.get(key);
  }

  private newPair(weights: GraphNode, bias: GraphNode): Pair | undefined {
    if (!sameShape(rowOf(weights), withRank(bias.shape, weights.shape.length))) return undefined;
    if (isParameter(weights) && isParameter(bias)) return { weights, bias, source: { kind: 'parameters' } };
    const [a, b] = [weights.op, bias.op];
    if (a.kind === 'matmul' && b.kind === 'reduce') {
      const [x, dz] = weights.inputs as [GraphNode, GraphNode];
      const isWeights = a.transposeA && !a.transposeB && a.alpha === 1 && this.given.has(x);
      const isBias =
        b.fn === 'sum' && b.axes.length === 1 && b.axes[0] === dz.shape.length - 2 && bias.inputs[0] === dz;
      return isWeights && isBias ? { weights, bias, source: { kind: 'gradients', x, dz } } : undefined;
    }
    if (a.kind !== 'binary' || b.kind !== 'binary' || a.fn !== b.fn) return undefined;
    const left = this.pairOf(weights.inputs[0]!, bias.inputs[0]!);
    const right = left && this.pairOf(weights.inputs[1]!, bias.inputs[1]!);
    return right && { weights, bias, source: { kind: 'elementwise', fn: a.fn, operands: [left, right] } };
  }

  rewrite(builder: GraphBuilder): Graph {
    const rebuilt = new Map<GraphNode, GraphNode>();
    const joined = new Map<Pair, GraphNode>();
    const parts = this.parts();
    const withOnes = (x: GraphNode) => {
      const ones = builder.constant(1, [...x.shape.slice(0, -1), 1], x.dtype);
      return builder.concat([rebuilt.get(x)!, ones], x.shape.length - 1);
    };
    const newJoin = ({ weights, bias, source }: Pair): GraphNode => {
      switch (source.kind) {
        case 'parameters': {
          const rank = weights.shape.length;
          const row = builder.reshape(rebuilt.get(bias)!, withRank(bias.shape, rank));
          return builder.concat([rebuilt.get(weights)!, row], rank - 2);
        }
        case 'gradients':
          return builder.matmul(withOnes(source.x), value(source.dz), { transposeA: true });
        case 'elementwise':
          return builder.binary(source.fn, join(source.operands[0]), join(source.operands[1]));
      }
    };
    const join = (pair: Pair): GraphNode => {
      const node = joined.get(pair) ?? newJoin(pair);
      joined.set(pair, node);
      return node;
    };
    /**
     * What a node's readers read now: a part of the joined tensor, if they need only weights or
     * bias.
     */
    const value = (node: GraphNode): GraphNode => {
      const pair = parts.get(node);
      if (pair === undefined) return rebuilt.get(node)!;
      const whole = join(pair);
      const row = rowOf(whole);
      const begin = row.map(() => 0);
      if (node === pair.weights) return builder.slice(whole, begin, node.shape);
      begin[row.length - 2] = pair.weights.shape.at(-2)!;
      return builder.reshape(builder.slice(whole, begin, row), node.shape);
    };
    const rebuild = (node: GraphNode) => {
      const layer = this.found.get(node);
      if (layer !== undefined) return builder.matmul(withOnes(layer.x), join(layer.pair));
      return builder.make(node.op, node.inputs.map(value));
    };
    // what is joined must be there first: a reader of a bias may come before the input that its
    // weights begin with
    const isFirst = (node: GraphNode) => node.op.kind === 'input' || this.given.has(node);
    for (const node of this.nodes) if (isFirst(node)) rebuilt.set(node, rebuild(node));
    for (const node of this.nodes) if (!isFirst(node) && !parts.has(node)) rebuilt.set(node, rebuild(node));
    return { outputs: this.graph.outputs.map(({ name, node }) => ({ name, node: value(node) })) };
  }

  /** Weights and biases that are no longer tensors of their own. */
  private parts(): Map<GraphNode, Pair> {
    const parts = new Map<GraphNode, Pair>();
    const add = (pair: Pair) => {
      const { weights, bias, source } = pair;
      if (source.kind === 'parameters' || parts.has(weights) || parts.has(bias)) return;
      parts.set(weights, pair);
      parts.set(bias, pair);
      if (source.kind === 'elementwise') source.operands.forEach(add);
    };
    for (const { pair } of this.found.values()) add(pair);
    return parts;
  }
}

function isParameter({ op }: GraphNode): boolean {
  return op.kind === 'input' && op.source === 'metaParams';
}

/** The shape [..., 1, N] of one row of [..., K, N]. */
function rowOf({ shape }: GraphNode): number[] {
  return [...shape.slice(0, -2), 1, shape.at(-1)!];
}

/** The shape with axes of length one before it. */
function withRank(shape: Shape, rank: number): number[] {
  return [...new Array<number>(Math.max(0, rank - shape.length)).fill(1), ...shape];
}
