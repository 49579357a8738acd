// Computes at compile time what depends on constants alone, in float32 as the device would. Uniform
// tensors stay one number whatever their shape; others are folded up to a size at which shipping
// them in the model stops being cheaper than computing them.
import { arrayOf, type GraphBuilder } from '../../graph/builder.ts';
import {
  type BinaryFunction,
  type GraphNode,
  isConstant,
  type Shape,
  sizeOf,
  type UnaryFunction,
  uniformValue,
} from '../../graph/operation.ts';
import type { Rule } from './rule.ts';

const maxFoldedElements = 4096;

export const foldConstants: Rule = (node, { builder }) => {
  if (node.inputs.length === 0 || !node.inputs.every(isConstant)) return undefined;
  const uniform = foldUniform(node);
  if (uniform !== undefined) return builder.constant(uniform, node.shape, node.dtype);
  if (sizeOf(node.shape) > maxFoldedElements) return undefined;
  return foldElements(node, builder);
};

/** The one number of a result whose operands are all uniform. */
function foldUniform(node: GraphNode): number | undefined {
  const values = node.inputs.map(uniformValue);
  if (values.some((value) => value === undefined)) return undefined;
  const [a, b, c] = values as number[];
  const { op } = node;
  switch (op.kind) {
    case 'unary':
      return round(node, unary[op.fn](a!));
    case 'binary':
      return round(node, binary(op.fn, a!, b!, node.inputs[0]!.dtype === 'int32'));
    case 'select':
      return a !== 0 ? b : c;
    case 'cast':
      return op.dtype === 'int32' ? Math.trunc(a!) : op.dtype === 'bool' ? Number(a !== 0) : a;
    case 'reshape':
    case 'transpose':
    case 'broadcast':
    case 'slice':
    case 'reverse':
      return a;
    case 'concat':
      return values.every((value) => value === a) ? a : undefined;
    case 'pad':
      return op.value === a ? a : undefined;
    case 'reduce': {
      const count = sizeOf(node.inputs[0]!.shape) / sizeOf(node.shape);
      if (op.fn === 'sum') return round(node, a! * count);
      return op.fn === 'prod' ? round(node, a! ** count) : a;
    }
    default:
      return undefined;
  }
}

function foldElements(node: GraphNode, builder: GraphBuilder): GraphNode | undefined {
  const { op, shape } = node;
  const size = sizeOf(shape);
  const read = (position: number) => reader(node.inputs[position]!);
  const result = (values: ArrayLike<number>) => builder.constant(arrayOf(node.dtype, values), shape, node.dtype);
  switch (op.kind) {
    case 'unary': {
      const x = read(0);
      return result(Array.from({ length: size }, (_, i) => unary[op.fn](x(i))));
    }
    case 'binary': {
      const a = broadcastReader(node.inputs[0]!, shape);
      const b = broadcastReader(node.inputs[1]!, shape);
      const isInteger = node.inputs[0]!.dtype === 'int32';
      return result(Array.from({ length: size }, (_, i) => binary(op.fn, a(i), b(i), isInteger)));
    }
    case 'cast': {
      const x = read(0);
      const convert =
        op.dtype === 'int32'
          ? Math.trunc
          : op.dtype === 'bool'
            ? (value: number) => Number(value !== 0)
            : (value: number) => value;
      return result(Array.from({ length: size }, (_, i) => convert(x(i))));
    }
    case 'reshape': {
      const x = read(0);
      return result(Array.from({ length: size }, (_, i) => x(i)));
    }
    case 'broadcast': {
      const x = broadcastReader(node.inputs[0]!, shape);
      return result(Array.from({ length: size }, (_, i) => x(i)));
    }
    case 'transpose': {
      const x = read(0);
      const strides = stridesOf(node.inputs[0]!.shape);
      const moved = op.perm.map((axis) => strides[axis]!);
      return result(Array.from({ length: size }, (_, i) => x(offset(i, shape, moved))));
    }
    case 'slice': {
      const x = read(0);
      const strides = stridesOf(node.inputs[0]!.shape);
      const start = op.begin.reduce((sum, begin, axis) => sum + begin * strides[axis]!, 0);
      const steps = strides.map((stride, axis) => stride * op.strides[axis]!);
      return result(Array.from({ length: size }, (_, i) => x(start + offset(i, shape, steps))));
    }
    default:
      return undefined;
  }
}

function reader(node: GraphNode): (index: number) => number {
  if (!isConstant(node)) throw new Error('only constants are folded');
  const { values } = node.op;
  return values.length === 1 ? () => values[0]! : (index) => values[index]!;
}

function broadcastReader(node: GraphNode, shape: Shape): (index: number) => number {
  const read = reader(node);
  const own = stridesOf(node.shape);
  const missing = shape.length - node.shape.length;
  const strides = shape.map((_, axis) =>
    axis < missing || node.shape[axis - missing] === 1 ? 0 : own[axis - missing]!,
  );
  return (index) => read(offset(index, shape, strides));
}

function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** Where element `index` of a row-major tensor lies in another with the given strides. */
function offset(index: number, shape: Shape, strides: readonly number[]): number {
  let rest = index;
  let position = 0;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const length = shape[axis]!;
    position += (rest % length) * strides[axis]!;
    rest = Math.floor(rest / length);
  }
  return position;
}

function round(node: GraphNode, value: number): number {
  return node.dtype === 'float32' ? Math.fround(value) : value;
}

const unary: Readonly<Record<UnaryFunction, (x: number) => number>> = {
  neg: (x) => -x,
  abs: Math.abs,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  reciprocal: (x) => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  erf: errorFunction,
  relu: (x) => (x > 0 || Number.isNaN(x) ? x : 0),
  step: (x) => Number(x > 0),
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  round: (x) => {
    const down = Math.floor(x);
    const rest = x - down;
    return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
  },
  isNan: (x) => Number(Number.isNaN(x)),
  isInf: (x) => Number(Math.abs(x) === Number.POSITIVE_INFINITY),
  not: (x) => Number(x === 0),
};

/** Abramowitz and Stegun 7.1.26, the one TensorFlow.js uses; error below 1.5e-7. */
function errorFunction(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const polynomial = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - polynomial * Math.exp(-x * x));
}

function binary(fn: BinaryFunction, a: number, b: number, isInteger: boolean): number {
  switch (fn) {
    case 'add':
      return a + b;
    case 'sub':
      return a - b;
    case 'mul':
      return a * b;
    case 'div':
      return isInteger ? Math.trunc(a / b) : a / b;
    case 'pow':
      return a ** b;
    case 'min':
      return Math.min(a, b);
    case 'max':
      return Math.max(a, b);
    case 'equal':
      return Number(a === b);
    case 'greater':
      return Number(a > b);
    case 'greaterEqual':
      return Number(a >= b);
    case 'less':
      return Number(a < b);
    case 'lessEqual':
      return Number(a <= b);
    case 'and':
      return Number(a !== 0 && b !== 0);
    case 'or':
      return Number(a !== 0 || b !== 0);
    default:
      return fn satisfies never;
  }
}
