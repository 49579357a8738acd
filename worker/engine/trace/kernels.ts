// What each TensorFlow.js kernel is in our operators. There is one table for each family;
// outline.ts deals with kernels that are not here. NHWC becomes NCHW with explicit transposes,
// which the layout pass removes again.
import type { GraphBuilder } from '../graph/builder.ts';
import type { BinaryFunction, DType, GraphNode, ReduceFunction, UnaryFunction } from '../graph/operation.ts';
import { tf } from '../tf/tf.ts';
import { convolutionKernels } from './convolution-kernels.ts';
import type { Call, Kernel } from './kernel.ts';
import { movementKernels } from './movement-kernels.ts';
import { hasOutline, missingOperator, type Tensors, tryKernel } from './outline.ts';
import { traceBackend, traceBackendName } from './recorder.ts';

const unaryFunctions: Readonly<Record<string, UnaryFunction>> = {
  Abs: 'abs',
  Acos: 'acos',
  Acosh: 'acosh',
  Asin: 'asin',
  Asinh: 'asinh',
  Atan: 'atan',
  Atanh: 'atanh',
  Ceil: 'ceil',
  Cos: 'cos',
  Cosh: 'cosh',
  Erf: 'erf',
  Exp: 'exp',
  Expm1: 'expm1',
  Floor: 'floor',
  IsInf: 'isInf',
  IsNan: 'isNan',
  Log: 'log',
  Log1p: 'log1p',
  LogicalNot: 'not',
  Neg: 'neg',
  Reciprocal: 'reciprocal',
  Relu: 'relu',
  Round: 'round',
  Sigmoid: 'sigmoid',
  Sign: 'sign',
  Sin: 'sin',
  Sinh: 'sinh',
  Softplus: 'softplus',
  Sqrt: 'sqrt',
  Tan: 'tan',
  Tanh: 'tanh',
};

const binaryFunctions: Readonly<Record<string, BinaryFunction>> = {
  Add: 'add',
  Sub: 'sub',
  Multiply: 'mul',
  RealDiv: 'div',
  Pow: 'pow',
  Minimum: 'min',
  Maximum: 'max',
  Equal: 'equal',
  Greater: 'greater',
  GreaterEqual: 'greaterEqual',
  Less: 'less',
  LessEqual: 'lessEqual',
  LogicalAnd: 'and',
  LogicalOr: 'or',
};

const arithmeticKernels: Readonly<Record<string, Kernel>> = {
  AddN: ({ builder, nodes }) => nodes().reduce((sum, node) => builder.binary('add', sum, node)),
  Square: ({ builder, node }) => builder.binary('mul', node('x'), node('x')),
  SquaredDifference: ({ builder, node }) => {
    const difference = builder.binary('sub', node('a'), node('b'));
    return builder.binary('mul', difference, difference);
  },
  Rsqrt: ({ builder, node }) => builder.unary('reciprocal', builder.unary('sqrt', node('x'))),
  NotEqual: ({ builder, node }) => builder.unary('not', builder.binary('equal', node('a'), node('b'))),
  LogicalXor: ({ builder, node }) => builder.unary('not', builder.binary('equal', node('a'), node('b'))),
  // floor(a / b) and a − floor(a / b)·b, whose sign is b's; integers through floats, exact below
  // 2²⁴ as in TensorFlow.js
  FloorDiv: ({ builder, node }) => floorDivide(builder, node('a'), node('b')),
  Mod: ({ builder, node }) => {
    const quotient = floorDivide(builder, node('a'), node('b'));
    return builder.binary('sub', node('a'), builder.binary('mul', quotient, node('b')));
  },
  Atan2: ({ builder, node }) => arcTangent(builder, node('a'), node('b')),
  IsFinite: ({ builder, node }) => {
    const notFinite = builder.binary('or', builder.unary('isNan', node('x')), builder.unary('isInf', node('x')));
    return builder.unary('not', notFinite);
  },
  Step: ({ builder, node, attributes }) => {
    // x > 0 ? 1 : alpha
    const x = node('x');
    const alpha = (attributes.alpha as number | undefined) ?? 0;
    const positive = builder.binaryScalar('greater', x, 0);
    if (alpha === 0) return builder.cast(positive, x.dtype);
    return builder.select(positive, one(builder, x), builder.constant(alpha, [], x.dtype));
  },
  ClipByValue: ({ builder, node, attributes }) => {
    const lower = builder.binaryScalar('max', node('x'), attributes.clipValueMin as number);
    return builder.binaryScalar('min', lower, attributes.clipValueMax as number);
  },
  Relu6: ({ builder, node }) => builder.binaryScalar('min', builder.unary('relu', node('x')), 6),
  LeakyRelu: ({ builder, node, attributes }) => {
    const scaled = builder.binaryScalar('mul', node('x'), attributes.alpha as number);
    return builder.select(builder.binaryScalar('greaterEqual', node('x'), 0), node('x'), scaled);
  },
  Prelu: ({ builder, node }) => {
    const scaled = builder.binary('mul', node('alpha'), node('x'));
    return builder.select(builder.binaryScalar('greaterEqual', node('x'), 0), node('x'), scaled);
  },
  Elu: ({ builder, node }) => {
    const x = node('x');
    const negative = builder.unary('expm1', builder.binaryScalar('min', x, 0));
    return builder.select(builder.binaryScalar('greaterEqual', x, 0), x, negative);
  },
  Selu: ({ builder, node }) => {
    const x = node('x');
    const { SELU_SCALE: scale, SELU_SCALEALPHA: scaleAlpha } = tf.backend_util;
    const negative = builder.binaryScalar('mul', builder.unary('expm1', builder.binaryScalar('min', x, 0)), scaleAlpha);
    return builder.select(builder.binaryScalar('greaterEqual', x, 0), builder.binaryScalar('mul', x, scale), negative);
  },
  Select: ({ builder, node }) => {
    const condition = node('condition');
    const yes = node('t');
    // a condition of rank 1 chooses rows
    const rank = yes.shape.length;
    const isRows = condition.shape.length === 1 && rank > 1;
    const aligned = isRows
      ? builder.reshape(condition, [condition.shape[0]!, ...new Array(rank - 1).fill(1)])
      : condition;
    return builder.select(builder.cast(aligned, 'bool'), yes, node('e'));
  },
  Cast: ({ builder, node, attributes }) => {
    const dtype = attributes.dtype as DType;
    const x = node('x');
    if (dtype === 'bool' && x.dtype !== 'bool') return builder.unary('not', builder.binaryScalar('equal', x, 0));
    return builder.cast(x, dtype);
  },
  Identity: ({ node }) => node('x'),
  ZerosLike: ({ builder, node }) => builder.constant(0, node('x').shape, node('x').dtype),
  OnesLike: ({ builder, node }) => one(builder, node('x')),
  Softmax: ({ builder, node }) => builder.make({ kind: 'softmax', log: false }, [node('logits')]),
  LogSoftmax: ({ builder, node, attributes, refuse }) => {
    const logits = node('logits');
    if ((attributes.axis as number) !== logits.shape.length - 1) throw refuse('along any axis but the last');
    return builder.make({ kind: 'softmax', log: true }, [logits]);
  },
  BatchMatMul: ({ builder, node, attributes }) =>
    builder.matmul(node('a'), node('b'), {
      transposeA: attributes.transposeA as boolean,
      transposeB: attributes.transposeB as boolean,
    }),
  FusedBatchNorm: ({ builder, node, hasNode, attributes }) => {
    const variance = builder.binaryScalar(
      'add',
      node('variance'),
      (attributes.varianceEpsilon as number | undefined) ?? 0.001,
    );
    const normal = builder.binary(
      'div',
      builder.binary('sub', node('x'), node('mean')),
      builder.unary('sqrt', variance),
    );
    const scaled = hasNode('scale') ? builder.binary('mul', normal, node('scale')) : normal;
    return hasNode('offset') ? builder.binary('add', scaled, node('offset')) : scaled;
  },
};

/** Kernel → reduction and the attribute that names its axes. */
const reductions: Readonly<Record<string, readonly [ReduceFunction, string]>> = {
  Sum: ['sum', 'axis'],
  Mean: ['mean', 'axis'],
  Max: ['max', 'reductionIndices'],
  Min: ['min', 'axis'],
  Prod: ['prod', 'axis'],
  Any: ['max', 'axis'],
  All: ['min', 'axis'],
};

const reductionKernels: Readonly<Record<string, Kernel>> = {
  ...Object.fromEntries(
    Object.entries(reductions).map(([name, [fn, axesName]]): [string, Kernel] => [
      name,
      ({ builder, node, attributes }) => {
        const x = node('x');
        const axes = tf.util.parseAxisParam(attributes[axesName] as number | number[], [...x.shape]);
        const keepDims = (attributes.keepDims as boolean | undefined) ?? false;
        if (x.dtype !== 'bool')
          return builder.reduce(fn, fn === 'mean' ? builder.cast(x, 'float32') : x, axes, keepDims);
        const reduced = builder.reduce(fn, builder.cast(x, 'int32'), axes, keepDims);
        return name === 'Any' || name === 'All' ? builder.binaryScalar('greater', reduced, 0) : reduced;
      },
    ]),
  ),
  ArgMax: (call) => argReduce(call, 'max'),
  ArgMin: (call) => argReduce(call, 'min'),
};

function argReduce({ builder, node, attributes }: Call, fn: 'max' | 'min'): GraphNode {
  const x = node('x');
  const axis = tf.util.parseAxisParam(attributes.axis as number, [...x.shape])[0]!;
  return builder.make({ kind: 'argReduce', fn, axis }, [x]);
}

function one(builder: GraphBuilder, like: GraphNode): GraphNode {
  return builder.constant(1, like.shape, like.dtype);
}

function floorDivide(builder: GraphBuilder, a: GraphNode, b: GraphNode): GraphNode {
  const quotient = builder.binary('div', builder.cast(a, 'float32'), builder.cast(b, 'float32'));
  return builder.cast(builder.unary('floor', quotient), a.dtype);
}

/** atan2(a, b): atan(a / b), moved by π where b < 0; ±π/2 where b = 0. */
function arcTangent(builder: GraphBuilder, a: GraphNode, b: GraphNode): GraphNode {
  const half = builder.select(
    builder.binaryScalar('less', a, 0),
    builder.constant(-Math.PI / 2, [], 'float32'),
    builder.select(
      builder.binaryScalar('greater', a, 0),
      builder.constant(Math.PI / 2, [], 'float32'),
      builder.constant(0, [], 'float32'),
    ),
  );
  const turn = builder.select(
    builder.binaryScalar('less', a, 0),
    builder.constant(-Math.PI, [], 'float32'),
    builder.constant(Math.PI, [], 'float32'),
  );
  const isZero = builder.binaryScalar('equal', b, 0);
  const angle = builder.unary('atan', builder.binary('div', a, builder.select(isZero, one(builder, b), b)));
  const moved = builder.select(builder.binaryScalar('less', b, 0), builder.binary('add', angle, turn), angle);
  return builder.select(isZero, half, moved);
}

function table(): Map<string, Kernel> {
  const kernels = new Map<string, Kernel>();
  for (const [name, fn] of Object.entries(unaryFunctions))
    kernels.set(name, ({ builder, node }) => builder.unary(fn, node('x')));
  for (const [name, fn] of Object.entries(binaryFunctions)) {
    kernels.set(name, ({ builder, node }) => builder.binary(fn, node('a'), node('b')));
  }
  const families = [arithmeticKernels, reductionKernels, movementKernels, convolutionKernels];
  for (const family of families) for (const [name, kernel] of Object.entries(family)) kernels.set(name, kernel);
  return kernels;
}

let isRegistered = false;

/** Registers every kernel with the tracing backend, once a thread. */
export function registerTraceKernels(): void {
  if (isRegistered) return;
  isRegistered = true;
  for (const [kernelName, kernel] of table()) {
    tf.registerKernel({
      kernelName,
      backendName: traceBackendName,
      kernelFunc: ({ inputs, attrs }) => {
        const backend = traceBackend();
        const recording = backend.current();
        const tensors = inputs as unknown as Tensors;
        const attributes = attrs ?? {};
        if (recording.runner !== undefined && hasOutline(tensors)) return tryKernel(kernelName, tensors, attributes);
        let refusal: Error | undefined;
        try {
          const result = kernel({
            builder: recording.builder,
            node: (name) => backend.nodeOf(tensors[name]!),
            hasNode: (name) => tensors[name] !== undefined && tensors[name] !== null,
            nodes: () => Object.values(tensors).map((tensor) => backend.nodeOf(tensor!)),
            attributes,
            refuse: (what) => {
              refusal = missingOperator(recording, kernelName, what);
              return refusal;
            },
          });
          return Array.isArray(result)
            ? result.map((node) => backend.tensorInfoOf(node))
            : backend.tensorInfoOf(result);
        } catch (error) {
          if (error !== refusal || recording.runner === undefined) throw error;
          return tryKernel(kernelName, tensors, attributes);
        }
      },
    });
  }
}

/** The TensorFlow.js kernels that can be traced, sorted. */
export function tracedKernels(): string[] {
  return [...table().keys()].sort();
}
