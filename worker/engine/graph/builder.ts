// Makes nodes. Equal operators on equal operands are one node (common subexpressions vanish as they
// are written), and node numbers grow from operands to users, so that every list sorted by number
// can be run. Apart from that it only joins consecutive moves; the passes do all other
// simplification.
import { createHash } from 'node:crypto';
import type { TypedArray } from '../engine.ts';
import { infer } from './infer.ts';
import {
  type BinaryFunction,
  type DType,
  type Graph,
  type GraphNode,
  nodesOf,
  type Operation,
  type ReduceFunction,
  type Shape,
  sameShape,
  type UnaryFunction,
  type Window,
} from './operation.ts';

export class GraphBuilder {
  private readonly shared = new Map<string, GraphNode>();
  private readonly shareEqualNodes: boolean;
  private nextId = 0;
  private madeCount = 0;

  /**
   * @param options.shareEqualNodes default true; false leaves every common subexpression in place,
   * for measurements and tests.
   */
  constructor(options: { readonly shareEqualNodes?: boolean } = {}) {
    this.shareEqualNodes = options.shareEqualNodes ?? true;
  }

  /** Nodes that were requested, and those of them that were new. */
  get counts(): { readonly made: number; readonly distinct: number } {
    return { made: this.madeCount, distinct: this.nextId };
  }

  make(op: Operation, inputs: readonly GraphNode[] = []): GraphNode {
    this.madeCount++;
    if (!this.shareEqualNodes && op.kind !== 'input') return this.create(op, inputs);
    let key = keyOf(op);
    for (const input of inputs) key += `,${input.id}`;
    const known = this.shared.get(key);
    if (known !== undefined) return known;
    const node = this.create(op, inputs);
    this.shared.set(key, node);
    return node;
  }

  /** Whether `make` would return a node that exists already. */
  has(op: Operation, inputs: readonly GraphNode[]): boolean {
    return this.shared.has([keyOf(op), ...inputs.map(({ id }) => id)].join());
  }

  private create(op: Operation, inputs: readonly GraphNode[]): GraphNode {
    return { id: this.nextId++, op, inputs, ...infer(op, inputs) };
  }

  /**
   * `values` is one number for a uniform tensor, or one for each element; an array whose elements
   * are all equal becomes uniform.
   */
  constant(values: TypedArray | number, shape: Shape, dtype: DType): GraphNode {
    const array = typeof values === 'number' ? arrayOf(dtype, [values]) : compact(values);
    return this.make({ kind: 'constant', values: array, shape, dtype });
  }

  unary(fn: UnaryFunction, x: GraphNode): GraphNode {
    return this.make({ kind: 'unary', fn }, [x]);
  }

  binary(fn: BinaryFunction, a: GraphNode, b: GraphNode): GraphNode {
    return this.make({ kind: 'binary', fn }, [a, b]);
  }

  /** A binary operator with a number as its second operand. */
  binaryScalar(fn: BinaryFunction, a: GraphNode, b: number): GraphNode {
    return this.binary(fn, a, this.constant(b, [], a.dtype));
  }

  select(condition: GraphNode, yes: GraphNode, no: GraphNode): GraphNode {
    return this.make({ kind: 'select' }, [condition, yes, no]);
  }

  cast(x: GraphNode, dtype: DType): GraphNode {
    return x.dtype === dtype ? x : this.make({ kind: 'cast', dtype }, [x]);
  }

  /** Consecutive reshapes become one, or none if the shape ends as it began. */
  reshape(x: GraphNode, shape: Shape): GraphNode {
    const source = x.op.kind === 'reshape' ? x.inputs[0]! : x;
    return sameShape(source.shape, shape) ? source : this.make({ kind: 'reshape', shape: [...shape] }, [source]);
  }

  /** Consecutive transposes become one, or none if the order ends as it began. */
  transpose(x: GraphNode, perm: readonly number[]): GraphNode {
    const inner = x.op.kind === 'transpose' ? x.op.perm : undefined;
    const source = inner === undefined ? x : x.inputs[0]!;
    const joint = inner === undefined ? [...perm] : perm.map((axis) => inner[axis]!);
    return isIdentity(joint) ? source : this.make({ kind: 'transpose', perm: joint }, [source]);
  }

  broadcast(x: GraphNode, shape: Shape): GraphNode {
    return sameShape(x.shape, shape) ? x : this.make({ kind: 'broadcast', shape: [...shape] }, [x]);
  }

  slice(
    x: GraphNode,
    begin: readonly number[],
    size: readonly number[],
    strides: readonly number[] = begin.map(() => 1),
  ) {
    if (sameShape(size, x.shape) && strides.every((stride) => stride === 1)) return x;
    return this.make({ kind: 'slice', begin: [...begin], size: [...size], strides: [...strides] }, [x]);
  }

  pad(x: GraphNode, before: readonly number[], after: readonly number[], value = 0): GraphNode {
    if (before.every((n) => n === 0) && after.every((n) => n === 0)) return x;
    return this.make({ kind: 'pad', before: [...before], after: [...after], value }, [x]);
  }

  concat(inputs: readonly GraphNode[], axis: number): GraphNode {
    return inputs.length === 1 ? inputs[0]! : this.make({ kind: 'concat', axis }, inputs);
  }

  reduce(fn: ReduceFunction, x: GraphNode, axes: readonly number[], keepDims = false): GraphNode {
    if (axes.length === 0) return x;
    return this.make({ kind: 'reduce', fn, axes: [...axes].sort((a, b) => a - b), keepDims }, [x]);
  }

  matmul(
    a: GraphNode,
    b: GraphNode,
    options: { transposeA?: boolean; transposeB?: boolean; alpha?: number } = {},
  ): GraphNode {
    const { transposeA = false, transposeB = false, alpha = 1 } = options;
    return this.make({ kind: 'matmul', transposeA, transposeB, alpha }, [a, b]);
  }

  conv2d(x: GraphNode, filter: GraphNode, window: Window): GraphNode {
    return this.make({ kind: 'conv2d', ...window }, [x, filter]);
  }
}

export type Rewrite = (node: GraphNode, inputs: readonly GraphNode[], builder: GraphBuilder) => GraphNode | undefined;

/**
 * The graph rebuilt from its inputs: `rule` gets each node with its operands already rewritten and
 * may return another node instead; undefined keeps the node as it is.
 */
export function rewriteGraph(graph: Graph, builder: GraphBuilder, rule: Rewrite): Graph {
  const replaced = new Map<GraphNode, GraphNode>();
  for (const node of nodesOf(graph)) {
    const inputs = node.inputs.map((input) => replaced.get(input)!);
    replaced.set(node, rule(node, inputs, builder) ?? builder.make(node.op, inputs));
  }
  return { outputs: graph.outputs.map(({ name, node }) => ({ name, node: replaced.get(node)! })) };
}

export function isIdentity(perm: readonly number[]): boolean {
  return perm.every((axis, position) => axis === position);
}

export function arrayOf(dtype: DType, values: ArrayLike<number>): TypedArray {
  if (dtype === 'float32') return Float32Array.from(values);
  return dtype === 'int32' ? Int32Array.from(values) : Uint8Array.from(values);
}

/**
 * One element instead of many equal ones; bits are compared, so that NaN equals itself and −0
 * differs from 0.
 */
function compact(values: TypedArray): TypedArray {
  if (values.length === 1) return values;
  const bits =
    values instanceof Float32Array ? new Int32Array(values.buffer, values.byteOffset, values.length) : values;
  const first = bits[0];
  for (let i = 1; i < bits.length; i++) if (bits[i] !== first) return values;
  return values.length === 0 ? values : values.slice(0, 1);
}

const knownKeys = new WeakMap<Operation, string>();

/**
 * Equal operators have equal keys. Operators are never changed and passes reuse most of them, so
 * the keys are cached.
 */
export function keyOf(op: Operation): string {
  let key = knownKeys.get(op);
  if (key === undefined) {
    key = computeKey(op);
    knownKeys.set(op, key);
  }
  return key;
}

function computeKey(op: Operation): string {
  if (op.kind !== 'constant') return JSON.stringify(op);
  const bytes = new Uint8Array(op.values.buffer, op.values.byteOffset, op.values.byteLength);
  const content = bytes.length <= 64 ? bytes.join('.') : createHash('sha1').update(bytes).digest('hex');
  return `constant ${op.dtype} ${op.shape.join('x')} ${content}`;
}
