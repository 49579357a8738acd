// Where an element of a tensor lies, as a function of a kernel's loops: each axis counts in digits,
// every digit is a loop or a known number. Reshapes, transposes, slices and broadcasts only
// rearrange digits, so that a kernel reads through them without moving anything.
import type { GraphNode, Shape } from '../graph/operation.ts';

/** `loop` is a loop's number, or undefined where the digit's value is known. */
export interface Digit {
  readonly extent: number;
  readonly loop: number | undefined;
  readonly value: number;
}

/**
 * Position along one axis: offset + scale · (the digits read as one number, the most significant
 * first).
 */
export interface AxisIndex {
  readonly digits: readonly Digit[];
  readonly scale: number;
  readonly offset: number;
}

export type Index = readonly AxisIndex[];

/**
 * A kernel's loop must be cut in two, the inner one of this extent, before the index can be
 * computed.
 */
export class LoopMustSplit extends Error {
  readonly loop: number;
  readonly inner: number;
  constructor(loop: number, inner: number) {
    super(`loop ${loop} must split`);
    this.loop = loop;
    this.inner = inner;
  }
}

/**
 * Something that kernels cannot do. ONNX Runtime computes the `node` where a kernel met it, and
 * that node's operands lie in memory.
 */
export class NotFusable extends Error {
  node: GraphNode | undefined;
}

const origin: AxisIndex = { digits: [], scale: 1, offset: 0 };

export function axisOf(digits: readonly Digit[]): AxisIndex {
  return { digits: digits.filter(({ extent }) => extent > 1), scale: 1, offset: 0 };
}

/** The index with which an operand is read by an elementwise operator or a broadcast. */
export function broadcastIndex(index: Index, operand: Shape): Index {
  const skipped = index.length - operand.length;
  return operand.map((length, axis) => (length === 1 ? origin : index[axis + skipped]!));
}

/** The index into the source of a reshape. */
export function reshapeIndex(index: Index, from: Shape, source: Shape): Index {
  const digits = index.flatMap((axis, i) => {
    if (from[i] === 1) return [];
    const covered = axis.digits.reduce((product, { extent }) => product * extent, 1);
    if (axis.scale !== 1 || axis.offset !== 0 || covered !== from[i]) throw new NotFusable('a reshape of a part');
    return axis.digits;
  });
  const result: AxisIndex[] = [];
  for (let axis = source.length - 1; axis >= 0; axis--) {
    const taken: Digit[] = [];
    let left = source[axis]!;
    while (left > 1) {
      const digit = digits.pop();
      if (digit === undefined) throw new NotFusable('a reshape that does not add up');
      if (left % digit.extent === 0) {
        taken.unshift(digit);
        left /= digit.extent;
        continue;
      }
      const [outer, inner] = splitDigit(digit, left);
      digits.push(outer);
      taken.unshift(inner);
      left = 1;
    }
    result.unshift(axisOf(taken));
  }
  return result;
}

function splitDigit({ extent, loop, value }: Digit, inner: number): [Digit, Digit] {
  if (extent % inner !== 0) throw new NotFusable('axes that do not divide');
  if (loop !== undefined) throw new LoopMustSplit(loop, inner);
  return [
    { extent: extent / inner, loop, value: Math.floor(value / inner) },
    { extent: inner, loop, value: value % inner },
  ];
}

export function transposeIndex(index: Index, perm: readonly number[]): Index {
  const result = new Array<AxisIndex>(index.length);
  perm.forEach((axis, position) => {
    result[axis] = index[position]!;
  });
  return result;
}

export function sliceIndex(index: Index, begin: readonly number[], strides: readonly number[]): Index {
  return index.map(({ digits, scale, offset }, axis) => ({
    digits,
    scale: scale * strides[axis]!,
    offset: begin[axis]! + offset * strides[axis]!,
  }));
}

export function reverseIndex(index: Index, shape: Shape, axes: readonly number[]): Index {
  return index.map((axis, i) => {
    if (!axes.includes(i)) return axis;
    return { digits: axis.digits, scale: -axis.scale, offset: shape[i]! - 1 - axis.offset };
  });
}

/** The index with some loops' values known. */
export function withValues(index: Index, values: ReadonlyMap<number, number>): Index {
  return index.map((axis) => ({
    ...axis,
    digits: axis.digits.map((digit) => {
      const value = digit.loop === undefined ? undefined : values.get(digit.loop);
      return value === undefined ? digit : { extent: digit.extent, loop: undefined, value };
    }),
  }));
}

export interface Address {
  /** Elements by which each loop moves it; loops that do not are absent. */
  readonly strides: ReadonlyMap<number, number>;
  readonly offset: number;
}

/** The element's place in row-major memory of this shape. */
export function addressOf(index: Index, shape: Shape): Address {
  const strides = new Map<number, number>();
  let offset = 0;
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const { digits, scale, offset: start } = index[axis]!;
    offset += start * step;
    let place = step * scale;
    for (const { extent, loop, value } of [...digits].reverse()) {
      if (loop === undefined) offset += value * place;
      else strides.set(loop, (strides.get(loop) ?? 0) + place);
      place *= extent;
    }
    step *= shape[axis]!;
  }
  return { strides, offset };
}

/** Equal for one node read at equal places. */
export function indexKey(node: GraphNode, index: Index): string {
  const axes = index.map(
    ({ digits, scale, offset }) =>
      `${offset}*${scale}:${digits.map((digit) => (digit.loop === undefined ? `=${digit.value}/${digit.extent}` : digit.loop)).join('.')}`,
  );
  return `${node.id}[${axes}]`;
}
