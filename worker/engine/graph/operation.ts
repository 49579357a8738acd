// The operators of the graph: a small closed set, each a plain record, from which shape and type
// follow. Tensors are row-major; convolutions are NCHW with OIHW filters, as ONNX has them, and the
// trace brings TensorFlow's NHWC to that form. Nothing here computes:
// `passes/rules/fold-constants.ts` evaluates operators, `onnx/` writes them as ONNX.
import type { TypedArray } from '../engine.ts';

export type DType = 'float32' | 'int32' | 'bool';
export type Shape = readonly number[];

/**
 * Elementwise, one operand. `not` takes and gives bool, `isNan` and `isInf` give bool, all others
 * keep their operand's type.
 */
export type UnaryFunction =
  | 'neg'
  | 'abs'
  | 'exp'
  | 'expm1'
  | 'log'
  | 'log1p'
  | 'sqrt'
  | 'reciprocal'
  | 'sin'
  | 'cos'
  | 'tan'
  | 'asin'
  | 'acos'
  | 'atan'
  | 'sinh'
  | 'cosh'
  | 'asinh'
  | 'acosh'
  | 'atanh'
  | 'tanh'
  | 'sigmoid'
  | 'softplus'
  | 'erf'
  | 'relu'
  /** 1 where positive, otherwise 0: the gradient of relu. */
  | 'step'
  | 'sign'
  | 'floor'
  | 'ceil'
  | 'round'
  | 'isNan'
  | 'isInf'
  | 'not';

/** Elementwise, two operands, broadcast as NumPy does. The comparisons give bool. */
export type BinaryFunction =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'pow'
  | 'min'
  | 'max'
  | 'equal'
  | 'greater'
  | 'greaterEqual'
  | 'less'
  | 'lessEqual'
  | 'and'
  | 'or';

export type ReduceFunction = 'sum' | 'mean' | 'max' | 'min' | 'prod';

export interface Window {
  readonly strides: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
  /** Input and output channels are cut into this many independent blocks. */
  readonly groups: number;
}

export type Operation =
  | {
      readonly kind: 'input';
      readonly source: 'metaParams' | 'task';
      readonly name: string;
      readonly shape: Shape;
      readonly dtype: DType;
    }
  /** `values` holds one number (a uniform tensor) or one for each element. */
  | { readonly kind: 'constant'; readonly values: TypedArray; readonly shape: Shape; readonly dtype: DType }
  | { readonly kind: 'unary'; readonly fn: UnaryFunction }
  | { readonly kind: 'binary'; readonly fn: BinaryFunction }
  /** condition ? first : second, all three broadcast. */
  | { readonly kind: 'select' }
  | { readonly kind: 'cast'; readonly dtype: DType }
  | { readonly kind: 'reshape'; readonly shape: Shape }
  /** Output axis i is input axis perm[i]. */
  | { readonly kind: 'transpose'; readonly perm: readonly number[] }
  | { readonly kind: 'broadcast'; readonly shape: Shape }
  | {
      readonly kind: 'slice';
      readonly begin: readonly number[];
      readonly size: readonly number[];
      readonly strides: readonly number[];
    }
  | {
      readonly kind: 'pad';
      readonly before: readonly number[];
      readonly after: readonly number[];
      readonly value: number;
    }
  | { readonly kind: 'concat'; readonly axis: number }
  | { readonly kind: 'reverse'; readonly axes: readonly number[] }
  | {
      readonly kind: 'reduce';
      readonly fn: ReduceFunction;
      readonly axes: readonly number[];
      readonly keepDims: boolean;
    }
  /**
   * Index of the largest or smallest element along an axis, which disappears; the first of equals.
   * int32.
   */
  | { readonly kind: 'argReduce'; readonly fn: 'max' | 'min'; readonly axis: number }
  /**
   * alpha · op(a) · op(b) over the last two axes; leading axes broadcast. Operands have rank 2 at
   * least.
   */
  | { readonly kind: 'matmul'; readonly transposeA: boolean; readonly transposeB: boolean; readonly alpha: number }
  | ({ readonly kind: 'conv2d' } & Window)
  /** (dy, filter) → gradient to the input, of spatial size `inputSize`. */
  | ({ readonly kind: 'convInputGradient'; readonly inputSize: readonly [number, number] } & Window)
  /** (x, dy) → gradient to the filter, of spatial size `filterSize`. */
  | ({ readonly kind: 'convFilterGradient'; readonly filterSize: readonly [number, number] } & Window)
  /**
   * Images [N, H, W, C] as rows [N·h·w, kh·kw·C]: what a filter's window covers at each position,
   * so that a convolution is one product. A row is never written to memory as a whole; made for the
   * fused executor by `passes/fused/columns.ts`, which leaves `groups` at one.
   */
  | ({
      readonly kind: 'columns';
      readonly filterSize: readonly [number, number];
      readonly outputSize: readonly [number, number];
    } & Window)
  /** Over the last axis. */
  | { readonly kind: 'softmax'; readonly log: boolean }
  /** (x, indices): the axis is replaced by the indices' axes. */
  | { readonly kind: 'gather'; readonly axis: number }
  /**
   * (x, indices): the first axes of x, as many as indices has, are summed into `count` rows; an
   * index out of range is dropped.
   */
  | { readonly kind: 'segmentSum'; readonly count: number }
  | {
      readonly kind: 'oneHot';
      readonly depth: number;
      readonly on: number;
      readonly off: number;
      readonly dtype: DType;
    }
  /**
   * (x, others…): x, available only after the others. Keeps apart equal work that is done twice on
   * purpose.
   */
  | { readonly kind: 'after' }
  | { readonly kind: 'cumulativeSum'; readonly axis: number; readonly exclusive: boolean; readonly reverse: boolean };

export type OperationKind = Operation['kind'];

export interface GraphNode {
  /** Position in the builder's order: operands always have smaller numbers. */
  readonly id: number;
  readonly op: Operation;
  readonly inputs: readonly GraphNode[];
  readonly shape: Shape;
  readonly dtype: DType;
}

export interface GraphOutput {
  readonly name: string;
  readonly node: GraphNode;
}

/**
 * A pure function from its input nodes to its outputs; nodes that no output reaches are not part of
 * it.
 */
export interface Graph {
  readonly outputs: readonly GraphOutput[];
}

export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

/** Every node that an output needs, operands before users. */
export function nodesOf(graph: Graph): GraphNode[] {
  const found = new Set<GraphNode>();
  const stack = graph.outputs.map((output) => output.node);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    stack.push(...node.inputs);
  }
  return [...found].sort((a, b) => a.id - b.id);
}

/** How many times each node is read, by other nodes or as an output. */
export function usesOf(graph: Graph): Map<GraphNode, number> {
  const uses = new Map<GraphNode, number>();
  const count = (node: GraphNode) => uses.set(node, (uses.get(node) ?? 0) + 1);
  for (const node of nodesOf(graph)) node.inputs.forEach(count);
  for (const output of graph.outputs) count(output.node);
  return uses;
}

export function isConstant(node: GraphNode): node is GraphNode & { op: Extract<Operation, { kind: 'constant' }> } {
  return node.op.kind === 'constant';
}

/**
 * The node whose memory holds a node's value: a reshape shares its operand's memory, unless it has
 * its own.
 */
export function storageOf(node: GraphNode, isOwner: (node: GraphNode) => boolean = () => false): GraphNode {
  let storage = node;
  while (storage.op.kind === 'reshape' && !isOwner(storage)) storage = storage.inputs[0]!;
  return storage;
}

/** The number every element has, where that is known. */
export function uniformValue(node: GraphNode): number | undefined {
  return node.op.kind === 'constant' && node.op.values.length === 1 ? node.op.values[0] : undefined;
}
