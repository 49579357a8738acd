// From graph nodes to the straight-line vector code of a kernel's body: elementwise operators and
// small reductions over windows are followed down to tensors that lie in memory, so that nothing
// between them is ever written. Equal nodes at equal places are computed once.
import { type GraphNode, type Operation, sizeOf, storageOf, uniformValue } from '../graph/operation.ts';
import type { Opcode } from './assembler.ts';
import {
  type Address,
  addressOf,
  broadcastIndex,
  type Index,
  indexKey,
  NotFusable,
  reshapeIndex,
  reverseIndex,
  sliceIndex,
  transposeIndex,
} from './indexing.ts';

/**
 * Four neighbouring elements; `args` are positions in the list of instructions. Truth is all bits
 * set.
 */
export type Instruction =
  | { readonly kind: 'load'; readonly source: GraphNode; readonly address: Address }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'apply'; readonly code: Opcode; readonly args: readonly number[] };

/**
 * A loop that a value does not depend on while what it is computed from is a reduction: it should
 * be unrolled, so that this happens once.
 */
export class LoopShouldUnroll extends Error {
  readonly loop: number;
  constructor(loop: number) {
    super(`loop ${loop} should unroll`);
    this.loop = loop;
  }
}

/** Reductions of at most this many elements are written out where they are read. */
const largestWindow = 16;
const largestUnrolled = 4;

/**
 * Whether a reduction is a few elements beside each other, such as a pool's window, and not along
 * the channels.
 */
export function isWindow({ op, inputs, shape }: GraphNode): boolean {
  if (op.kind !== 'reduce' || op.fn === 'prod') return false;
  const x = inputs[0]!;
  return sizeOf(x.shape) / sizeOf(shape) <= largestWindow && !op.axes.includes(x.shape.length - 1);
}

export class Expression {
  readonly instructions: Instruction[] = [];
  private readonly known = new Map<string, number>();
  private readonly isInMemory: (node: GraphNode) => boolean;
  private readonly withWindows = new Map<GraphNode, boolean>();
  private readonly mayUnroll: boolean;

  /** @param isInMemory which nodes are read rather than computed. */
  constructor(isInMemory: (node: GraphNode) => boolean, mayUnroll: boolean) {
    this.isInMemory = isInMemory;
    this.mayUnroll = mayUnroll;
  }

  /** The position of the instruction that gives the node's value at the index. */
  value(node: GraphNode, index: Index): number {
    const number = uniformValue(node);
    if (number !== undefined && node.dtype === 'float32') return this.constant(number);
    if (node.dtype === 'int32' || (node.dtype === 'bool' && this.isInMemory(node))) throw new NotFusable(node.dtype);
    return this.once(indexKey(node, index), () => {
      const source = storageOf(node, this.isInMemory);
      if (this.isInMemory(source)) return this.load(source, addressOf(index, node.shape));
      try {
        return this.compute(node, index);
      } catch (error) {
        if (error instanceof NotFusable) error.node ??= node;
        throw error;
      }
    });
  }

  /**
   * Overlapping windows reach the same element by different indices, so loads are shared by
   * address.
   */
  private load(source: GraphNode, address: Address): number {
    const strides = [...address.strides].sort(([a], [b]) => a - b).join(' ');
    return this.once(`load ${source.id} ${strides} ${address.offset}`, () =>
      this.push({ kind: 'load', source, address }),
    );
  }

  private compute(node: GraphNode, index: Index): number {
    const { op, inputs } = node;
    const x = inputs[0]!;
    const operands = () => inputs.map((input) => this.value(input, this.broadcast(input, index)));
    switch (op.kind) {
      case 'unary':
        return this.unary(op.fn, operands()[0]!);
      case 'binary': {
        const exponent = op.fn === 'pow' ? uniformValue(inputs[1]!) : undefined;
        if (exponent !== undefined) return this.power(this.value(x, this.broadcast(x, index)), exponent);
        const [a, b] = operands() as [number, number];
        return this.binary(op.fn, a, b);
      }
      case 'select': {
        const [condition, yes, no] = operands() as [number, number, number];
        return this.apply('v128.bitselect', yes, no, condition);
      }
      case 'cast':
        if (x.dtype !== 'bool' || op.dtype !== 'float32') throw new NotFusable(`cast of ${x.dtype} to ${op.dtype}`);
        return this.apply('v128.and', operands()[0]!, this.constant(1));
      case 'broadcast':
        return operands()[0]!;
      case 'after':
        return this.value(x, index);
      case 'reshape':
        return this.value(x, reshapeIndex(index, node.shape, x.shape));
      case 'transpose':
        return this.value(x, transposeIndex(index, op.perm));
      case 'slice':
        return this.value(x, sliceIndex(index, op.begin, op.strides));
      case 'reverse':
        return this.value(x, reverseIndex(index, x.shape, op.axes));
      case 'reduce':
        return this.window(node, op, index);
      default:
        throw new NotFusable(op.kind);
    }
  }

  /**
   * The index into an operand. @throws LoopShouldUnroll where a loop drops out before a window is
   * computed.
   */
  private broadcast(operand: GraphNode, index: Index): Index {
    const result = broadcastIndex(index, operand.shape);
    if (!this.mayUnroll || !this.hasWindow(operand)) return result;
    const kept = new Set(result.flatMap(({ digits }) => digits.map(({ loop }) => loop)));
    for (const { digits } of index.slice(0, -1)) {
      for (const { loop, extent } of digits) {
        if (loop !== undefined && !kept.has(loop) && extent <= largestUnrolled) throw new LoopShouldUnroll(loop);
      }
    }
    return result;
  }

  private hasWindow(node: GraphNode): boolean {
    const known = this.withWindows.get(node);
    if (known !== undefined) return known;
    const is = !this.isInMemory(node) && (isWindow(node) || node.inputs.some((input) => this.hasWindow(input)));
    this.withWindows.set(node, is);
    return is;
  }

  private window(node: GraphNode, op: Extract<Operation, { kind: 'reduce' }>, index: Index): number {
    if (!isWindow(node)) throw new NotFusable('a long reduction');
    const x = node.inputs[0]!;
    let kept = 0;
    const outer = x.shape.map((_, axis) => {
      if (!op.axes.includes(axis)) return index[op.keepDims ? axis : kept++]!;
      return undefined;
    });
    const extents = op.axes.map((axis) => x.shape[axis]!);
    const values: number[] = [];
    for (let element = 0; element < sizeOf(extents); element++) {
      let rest = element;
      const inner = new Map<number, number>();
      for (let i = op.axes.length - 1; i >= 0; i--) {
        inner.set(op.axes[i]!, rest % extents[i]!);
        rest = Math.floor(rest / extents[i]!);
      }
      const place = outer.map(
        (axis, i) =>
          axis ?? {
            digits: x.shape[i] === 1 ? [] : [{ extent: x.shape[i]!, loop: undefined, value: inner.get(i)! }],
            scale: 1,
            offset: 0,
          },
      );
      values.push(this.value(x, place));
    }
    const code = op.fn === 'max' ? 'f32x4.pmax' : op.fn === 'min' ? 'f32x4.pmin' : 'f32x4.add';
    const total = values.reduce((a, b) => this.apply(code, a, b));
    return op.fn === 'mean' ? this.apply('f32x4.div', total, this.constant(values.length)) : total;
  }

  private unary(fn: Extract<Operation, { kind: 'unary' }>['fn'], x: number): number {
    switch (fn) {
      case 'neg':
        return this.apply('f32x4.neg', x);
      case 'abs':
        return this.apply('f32x4.abs', x);
      case 'sqrt':
        return this.apply('f32x4.sqrt', x);
      case 'reciprocal':
        return this.apply('f32x4.div', this.constant(1), x);
      case 'relu':
        // x < 0 ? 0 : x, so that NaN stays
        return this.apply('f32x4.pmax', x, this.constant(0));
      case 'step':
        return this.apply('v128.and', this.apply('f32x4.gt', x, this.constant(0)), this.constant(1));
      case 'not':
        return this.apply('v128.not', x);
      default:
        throw new NotFusable(fn);
    }
  }

  private binary(fn: Extract<Operation, { kind: 'binary' }>['fn'], a: number, b: number): number {
    switch (fn) {
      case 'mul':
        return this.product(a, b);
      case 'add':
      case 'sub':
      case 'div':
        return this.apply(`f32x4.${fn}`, a, b);
      case 'max':
        return this.apply('f32x4.max', a, b);
      case 'min':
        return this.apply('f32x4.min', a, b);
      case 'equal':
        return this.apply('f32x4.eq', a, b);
      case 'greater':
        return this.apply('f32x4.gt', a, b);
      case 'greaterEqual':
        return this.apply('f32x4.ge', a, b);
      case 'less':
        return this.apply('f32x4.lt', a, b);
      case 'lessEqual':
        return this.apply('f32x4.le', a, b);
      case 'and':
      case 'or':
        return this.apply(`v128.${fn}`, a, b);
      case 'pow':
        throw new NotFusable('a power that is not a number');
      default:
        return fn satisfies never;
    }
  }

  /**
   * A product with a truth value as a number lets the other factor through, or is zero, whatever
   * the factor is: as a derivative is meant where a maximum is not.
   */
  private product(a: number, b: number): number {
    for (const [truth, factor] of [
      [this.truthOf(a), b],
      [this.truthOf(b), a],
    ] as const) {
      if (truth !== undefined) return this.apply('v128.and', truth, factor);
    }
    return this.apply('f32x4.mul', a, b);
  }

  /** All bits of what is 1 where it is true and 0 elsewhere. */
  private truthOf(position: number): number | undefined {
    const instruction = this.instructions[position]!;
    if (instruction.kind !== 'apply' || instruction.code !== 'v128.and') return undefined;
    const one = this.instructions[instruction.args[1]!]!;
    return one.kind === 'constant' && one.value === 1 ? instruction.args[0] : undefined;
  }

  /** Halves of small whole numbers: products and a square root. */
  private power(x: number, exponent: number): number {
    const halves = Math.abs(2 * exponent);
    if (!Number.isInteger(halves) || halves === 0 || halves > 8) throw new NotFusable(`power ${exponent}`);
    const factors = new Array<number>(halves >> 1).fill(x);
    if (halves % 2 === 1) factors.push(this.apply('f32x4.sqrt', x));
    const product = factors.reduce((a, b) => this.apply('f32x4.mul', a, b));
    return exponent > 0 ? product : this.apply('f32x4.div', this.constant(1), product);
  }

  private constant(value: number): number {
    return this.once(`constant ${Object.is(value, -0) ? '-0' : value}`, () => this.push({ kind: 'constant', value }));
  }

  private apply(code: Opcode, ...args: number[]): number {
    return this.once(`${code} ${args}`, () => this.push({ kind: 'apply', code, args }));
  }

  private once(key: string, make: () => number): number {
    let position = this.known.get(key);
    if (position === undefined) {
      position = make();
      this.known.set(key, position);
    }
    return position;
  }

  private push(instruction: Instruction): number {
    return this.instructions.push(instruction) - 1;
  }
}
