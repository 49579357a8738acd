// Keeps values as multiples of themselves. An inner loop multiplies every gradient by the learning
// rate, and its derivative does so again. Each of these factors costs a node, and a product of a
// matrix and a vector with a factor cannot use ONNX Runtime's kernels for vectors. If gradients are
// kept as the steps that they become (0.01·∂L/∂z instead of ∂L/∂z), hardly any factor is left.
//
// Values that are added or moved share a scale: they form a group. A factor stands where groups
// meet, and a factor of one costs nothing. All scales begin at one and change by moves that each
// make the graph cheaper.
import { type GraphBuilder, rewriteGraph } from '../../graph/builder.ts';
import {
  type Graph,
  type GraphNode,
  nodesOf,
  type Operation,
  sameShape,
  sizeOf,
  uniformValue,
  usesOf,
} from '../../graph/operation.ts';
import type { PassRequest } from '../pass.ts';

type Matmul = Extract<Operation, { kind: 'matmul' }>;

export function chooseScales(graph: Graph, { newBuilder }: PassRequest): Graph {
  const scales = new Scales(graph);
  scales.choose();
  return subtractNegatives(scales.rewrite(graph, newBuilder()), newBuilder());
}

/** How a node's result follows its operands when those are scaled. */
type Linearity =
  /** By the first operand's scale. */
  | 'first'
  /** By the one scale that all operands have. */
  | 'all'
  /** By the scale of one operand, while the other is fixed. */
  | 'either'
  /** By both operands' scales and alpha. */
  | 'product'
  /** By the first operand's scale and a number, at the price of a node. */
  | 'times'
  | 'none';

function linearityOf(node: GraphNode): Linearity {
  const { op } = node;
  if (node.dtype !== 'float32') return 'none';
  switch (op.kind) {
    case 'binary':
      if (op.fn === 'add' || op.fn === 'sub') return 'all';
      if (op.fn === 'div') return 'first';
      if (op.fn !== 'mul') return 'none';
      return uniformValue(node.inputs[1]!) !== undefined && sameShape(node.shape, node.inputs[0]!.shape)
        ? 'times'
        : 'either';
    case 'reduce':
      // a factor on a sum's result costs little, so a sum may have another scale than its terms
      return op.fn === 'sum' || op.fn === 'mean' ? 'times' : 'none';
    case 'matmul':
      return 'product';
    case 'conv2d':
    case 'convInputGradient':
      return 'either';
    case 'concat':
      return 'all';
    case 'unary':
      return op.fn === 'neg' ? 'first' : 'none';
    case 'pad':
      return op.value === 0 ? 'first' : 'none';
    case 'reshape':
    case 'transpose':
    case 'broadcast':
    case 'slice':
    case 'reverse':
    case 'gather':
    case 'after':
    case 'cumulativeSum':
      return 'first';
    default:
      return 'none';
  }
}

/** Values with one scale: the graph keeps `scale` times the value. */
class Group {
  scale = 1;
  /** Keeps the scale of one: an input, or an operand or result of a function that is not linear. */
  isFixed = false;
  readonly factors: Factor[] = [];
  private joined: Group | undefined;

  get root(): Group {
    let root: Group = this;
    while (root.joined !== undefined) root = root.joined;
    if (root !== this) this.joined = root;
    return root;
  }

  join(other: Group): void {
    const [a, b] = [this.root, other.root];
    if (a === b) return;
    b.joined = a;
    a.isFixed ||= b.isFixed;
  }

  /** The cost of all its factors that are not one. */
  get cost(): number {
    let cost = 0;
    for (const factor of this.factors) if (factor.value !== 1) cost += factor.cost;
    return cost;
  }
}

/**
 * What a node multiplies by: a number, times the scales of the groups above the line, over the
 * scales of those below it.
 */
class Factor {
  private readonly number: number;
  private readonly above: readonly Group[];
  private readonly below: readonly Group[];
  /** The cost of any value but one, in elements that an elementwise node processes in that time. */
  readonly cost: number;

  constructor(number: number, above: readonly Group[], below: readonly Group[], cost: number) {
    this.number = number;
    this.above = above;
    this.below = below;
    this.cost = cost;
  }

  get groups(): Set<Group> {
    return new Set([...this.above, ...this.below].map(({ root }) => root));
  }

  /** One or minus one, if the number differs from it only by the rounding of its factors. */
  get value(): number {
    let value = this.number;
    for (const { root } of this.above) value *= root.scale;
    for (const { root } of this.below) value /= root.scale;
    return Math.abs(Math.abs(value) - 1) < 2 ** -22 ? Math.sign(value) : value;
  }

  /**
   * The group's scale that makes this factor one while the other groups keep theirs; undefined if
   * there is no useful one.
   */
  scaleForOne(group: Group): number | undefined {
    const count = (groups: readonly Group[]) => groups.filter(({ root }) => root === group).length;
    const power = count(this.above) - count(this.below);
    if (Math.abs(power) !== 1) return undefined;
    const scale = power === 1 ? group.scale / this.value : group.scale * this.value;
    return Math.abs(Math.log2(Math.abs(scale))) < largestScaleLog2 ? scale : undefined;
  }
}

/** The cost of starting a node, in elements that an elementwise node processes in that time. */
const elementsPerNode = 6000;
/** Larger scales would leave float32's middle range. */
const largestScaleLog2 = 24;
const maxSweeps = 8;
const maxGroupsInMove = 16;

class Scales {
  private readonly groups = new Map<GraphNode, Group>();
  private readonly factors = new Map<GraphNode, Factor>();
  /** Multiples of a value that are nodes of their own, one a value. */
  private readonly copies = new Map<GraphNode, { readonly group: Group; readonly factor: Factor }>();
  private readonly outputFactors = new Map<GraphNode, Factor>();

  constructor(graph: Graph) {
    for (const node of nodesOf(graph)) this.place(node);
    for (const { node } of graph.outputs)
      this.outputFactors.set(node, new Factor(1, [], [this.groupOf(node)], passOver(node)));
  }

  private groupOf(node: GraphNode): Group {
    return this.groups.get(node)!.root;
  }

  private place(node: GraphNode): void {
    const own = new Group();
    this.groups.set(node, own);
    const [x, y] = node.inputs as [GraphNode, GraphNode];
    const fix = (input: GraphNode) => {
      this.groupOf(input).isFixed = true;
    };
    switch (linearityOf(node)) {
      case 'first':
        own.join(this.seen(x));
        node.inputs.slice(1).forEach(fix);
        return;
      case 'all':
        for (const input of node.inputs) own.join(this.groupOf(input));
        return;
      case 'either': {
        const [first, second] = [this.groupOf(x), this.groupOf(y)];
        if (first.isFixed !== second.isFixed) own.join(first.isFixed ? second : first);
        else for (const group of [own, first, second]) group.isFixed = true;
        return;
      }
      case 'product': {
        const { alpha } = node.op as Matmul;
        this.factors.set(node, new Factor(alpha, [own], [this.seen(x), this.seen(y)], productCost(node)));
        return;
      }
      case 'times': {
        const number = node.op.kind === 'binary' ? uniformValue(y)! : 1;
        this.factors.set(node, new Factor(number, [own], [this.seen(x)], passOver(node)));
        return;
      }
      case 'none':
        own.isFixed = true;
        node.inputs.forEach(fix);
    }
  }

  /**
   * The group for a node's linear readers: that of a multiple of the node, if the node itself is
   * fixed or must agree with others.
   */
  private seen(node: GraphNode): Group {
    const group = this.groupOf(node);
    if (node.op.kind === 'constant' || !(group.isFixed || linearityOf(node) === 'all')) return group;
    let copy = this.copies.get(node);
    if (copy === undefined) {
      const own = new Group();
      copy = { group: own, factor: new Factor(1, [own], [group], passOver(node)) };
      this.copies.set(node, copy);
    }
    return copy.group.root;
  }

  choose(): void {
    const copyFactors = [...this.copies.values()].map(({ factor }) => factor);
    const free = new Set<Group>();
    for (const factor of [...this.factors.values(), ...this.outputFactors.values(), ...copyFactors]) {
      for (const group of factor.groups) {
        if (group.isFixed) continue;
        free.add(group);
        group.factors.push(factor);
      }
    }
    for (let sweep = 0; sweep < maxSweeps; sweep++) {
      let isChanged = false;
      for (const group of free) while (improve(group)) isChanged = true;
      if (!isChanged) return;
    }
  }

  rewrite(graph: Graph, builder: GraphBuilder): Graph {
    const kept = new Map<GraphNode, GraphNode>();
    const times = (x: GraphNode, factor: number) => (factor === 1 ? x : builder.binaryScalar('mul', x, factor));
    const seen = (node: GraphNode) => times(kept.get(node)!, this.copies.get(node)?.factor.value ?? 1);
    const rebuilt = (node: GraphNode): GraphNode => {
      const [x, y] = node.inputs as [GraphNode, GraphNode];
      const asKept = (input: GraphNode) => kept.get(input)!;
      const factor = this.factors.get(node)?.value ?? 1;
      switch (linearityOf(node)) {
        case 'first':
          return builder.make(node.op, [seen(x), ...node.inputs.slice(1).map(asKept)]);
        case 'product':
          return builder.make({ ...(node.op as Matmul), alpha: Math.fround(factor) }, [seen(x), seen(y)]);
        case 'times':
          return times(node.op.kind === 'binary' ? seen(x) : builder.make(node.op, [seen(x)]), factor);
        default:
          return builder.make(node.op, node.inputs.map(asKept));
      }
    };
    for (const node of nodesOf(graph)) kept.set(node, rebuilt(node));
    const outputs = graph.outputs.map(({ name, node }) => {
      return { name, node: times(kept.get(node)!, this.outputFactors.get(node)!.value) };
    });
    return { outputs };
  }
}

/** Makes one move that makes the graph cheaper. @returns false if there is none. */
function improve(group: Group): boolean {
  const tried = new Set<number>();
  for (const factor of group.factors) {
    const scale = factor.value === 1 ? undefined : factor.scaleForOne(group);
    if (scale === undefined || tried.has(Math.fround(scale))) continue;
    tried.add(Math.fround(scale));
    if (tryMove(group, scale)) return true;
  }
  return false;
}

/**
 * Gives the group that scale, and other groups scales that make one again of the factors that this
 * changed. Keeps as many of these changes as is cheapest, possibly none.
 */
function tryMove(first: Group, scale: number): boolean {
  const before = new Map<Group, number>();
  let total = 0;
  let [least, kept] = [0, 0];
  const broken: Factor[] = [];
  const move = (group: Group, to: number) => {
    const ones = group.factors.filter((factor) => factor.value === 1);
    before.set(group, group.scale);
    total += changeOf(group, to);
    group.scale = to;
    broken.push(...ones.filter((factor) => factor.value !== 1));
    if (total < least) [least, kept] = [total, before.size];
  };
  move(first, scale);
  while (before.size < maxGroupsInMove) {
    const factor = broken.pop();
    if (factor === undefined) break;
    if (factor.value === 1) continue;
    let best: { readonly group: Group; readonly to: number; readonly change: number } | undefined;
    for (const group of factor.groups) {
      const to = group.isFixed || before.has(group) ? undefined : factor.scaleForOne(group);
      if (to === undefined) continue;
      const change = changeOf(group, to);
      if (best === undefined || change < best.change) best = { group, to, change };
    }
    if (best !== undefined) move(best.group, best.to);
  }
  for (const [group, old] of [...before].slice(kept)) group.scale = old;
  return kept > 0;
}

/** How another scale of the group would change the cost. */
function changeOf(group: Group, scale: number): number {
  const old = group.scale;
  const before = group.cost;
  group.scale = scale;
  const change = group.cost - before;
  group.scale = old;
  return change;
}

const passOver = (node: GraphNode): number => elementsPerNode + sizeOf(node.shape);

/**
 * A product of matrices includes a factor at no cost; ONNX Runtime's kernels for a matrix and a
 * vector do not.
 */
function productCost(node: GraphNode): number {
  const [rows, columns] = node.shape.slice(-2) as [number, number];
  return rows === 1 || columns === 1 ? elementsPerNode + Math.max(...node.inputs.map(({ shape }) => sizeOf(shape))) : 1;
}

/**
 * x + (−A·B) = x − A·B and x − (−A·B) = x + A·B: the sign that a scale could not take away costs
 * nothing there.
 */
function subtractNegatives(graph: Graph, builder: GraphBuilder): Graph {
  const uses = usesOf(graph);
  return rewriteGraph(graph, builder, (node, inputs) => {
    const { op } = node;
    if (op.kind !== 'binary' || (op.fn !== 'add' && op.fn !== 'sub')) return undefined;
    const [x, y] = inputs as [GraphNode, GraphNode];
    const negated = (position: 0 | 1): GraphNode | undefined => {
      const product = inputs[position]!;
      if (product.op.kind !== 'matmul' || product.op.alpha !== -1 || uses.get(node.inputs[position]!) !== 1)
        return undefined;
      return builder.make({ ...product.op, alpha: 1 }, product.inputs);
    };
    const right = negated(1);
    if (right !== undefined) return builder.binary(op.fn === 'add' ? 'sub' : 'add', x, right);
    const left = op.fn === 'add' ? negated(0) : undefined;
    return left && builder.binary('sub', y, left);
  });
}
