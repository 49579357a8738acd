// From our graph to an ONNX model, one or a few ONNX nodes for each of ours. Every shape is static.
// The passes have rewritten `segmentSum`, `oneHot` and `convFilterGradient` before.
import type { DeviceKind } from '../devices.ts';
import type { TypedArray } from '../engine.ts';
import { broadcastShapes } from '../graph/infer.ts';
import {
  type DType,
  type Graph,
  type GraphNode,
  nodesOf,
  type Shape,
  sameShape,
  sizeOf,
  type UnaryFunction,
  uniformValue,
  type Window,
} from '../graph/operation.ts';
import {
  dataTypes,
  encodeModel,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
} from './schema.ts';

const unaryOperators: Readonly<Record<Exclude<UnaryFunction, 'expm1' | 'log1p' | 'step'>, string>> = {
  neg: 'Neg',
  abs: 'Abs',
  exp: 'Exp',
  log: 'Log',
  sqrt: 'Sqrt',
  reciprocal: 'Reciprocal',
  sin: 'Sin',
  cos: 'Cos',
  tan: 'Tan',
  asin: 'Asin',
  acos: 'Acos',
  atan: 'Atan',
  sinh: 'Sinh',
  cosh: 'Cosh',
  asinh: 'Asinh',
  acosh: 'Acosh',
  atanh: 'Atanh',
  tanh: 'Tanh',
  sigmoid: 'Sigmoid',
  softplus: 'Softplus',
  erf: 'Erf',
  relu: 'Relu',
  sign: 'Sign',
  floor: 'Floor',
  ceil: 'Ceil',
  round: 'Round',
  isNan: 'IsNaN',
  isInf: 'IsInf',
  not: 'Not',
};

const binaryOperators = {
  add: 'Add',
  sub: 'Sub',
  mul: 'Mul',
  div: 'Div',
  pow: 'Pow',
  min: 'Min',
  max: 'Max',
  equal: 'Equal',
  greater: 'Greater',
  greaterEqual: 'GreaterOrEqual',
  less: 'Less',
  lessEqual: 'LessOrEqual',
  and: 'And',
  or: 'Or',
} as const;

const reductionOperators = {
  sum: 'ReduceSum',
  mean: 'ReduceMean',
  max: 'ReduceMax',
  min: 'ReduceMin',
  prod: 'ReduceProd',
} as const;

/** What the device's kernels can do beyond standard ONNX. */
export interface LoweringOptions {
  /** com.microsoft FusedMatMul: a product with transposes and a factor in one node. */
  readonly fusedMatMul: boolean;
  /**
   * Write the step function as a HardSigmoid of slope 3e38; numbers below 3e-39 then count as zero
   * in part.
   */
  readonly hardSigmoidStep: boolean;
}

/** What the device's kernels can do. @param device one of ONNX Runtime's execution providers. */
export function loweringFor(device: DeviceKind): LoweringOptions {
  switch (device) {
    case 'cpu':
      return { fusedMatMul: true, hardSigmoidStep: true };
    case 'cuda':
      // the step stays a comparison, whose zero at NaN and at denormals is the same in every kernel
      return { fusedMatMul: true, hardSigmoidStep: false };
    case 'webgpu':
      // no FusedMatMul; a slope of 3e38 leaves float32's range, which WGSL does not define
      return { fusedMatMul: false, hardSigmoidStep: false };
    default:
      return device satisfies never;
  }
}

/**
 * The model's bytes; its inputs are `metaParams.<name>` and `task.<name>`, as far as an output
 * needs them, its outputs those of the graph.
 */
export function lowerToOnnx(graph: Graph, options: LoweringOptions): Uint8Array {
  return encodeModel(new Lowering(options).run(graph));
}

/** The name of a graph input in the ONNX model. */
export function inputName(source: string, name: string): string {
  return `${source}.${name}`;
}

class Lowering {
  private readonly nodes: OnnxNode[] = [];
  private readonly initializers = new Map<string, OnnxTensor>();
  private readonly inputs: OnnxValue[] = [];
  private readonly values = new Map<GraphNode, string>();
  private readonly conditions = new Map<string, string>();
  private readonly options: LoweringOptions;
  private nextValue = 0;

  constructor(options: LoweringOptions) {
    this.options = options;
  }

  run(graph: Graph): OnnxModel {
    for (const node of nodesOf(graph)) if (node.op.kind !== 'constant') this.values.set(node, this.lower(node));
    const outputs = graph.outputs.map(({ name, node }): OnnxValue => {
      // an Identity gives each output a name of its own, whatever else reads the value
      this.nodes.push({ op_type: 'Identity', domain: '', input: [this.value(node)], output: [name], attributes: {} });
      return { name, dtype: node.dtype, shape: node.shape };
    });
    return { nodes: this.nodes, initializers: [...this.initializers.values()], inputs: this.inputs, outputs };
  }

  private emit(
    op_type: string,
    input: readonly string[],
    attributes: Record<string, OnnxAttribute> = {},
    domain = '',
  ): string {
    const output = `v${this.nextValue++}`;
    this.nodes.push({ op_type, domain, input, output: [output], attributes });
    return output;
  }

  /** The name of a node's value, in its full shape. */
  private value(node: GraphNode): string {
    if (node.op.kind !== 'constant') return this.values.get(node)!;
    const { values, shape, dtype } = node.op;
    const size = sizeOf(shape);
    if (values.length === size) return this.tensor(values, shape, dtype);
    if (size <= 64)
      return this.tensor(new (values.constructor as Float32ArrayConstructor)(size).fill(values[0]!), shape, dtype);
    return this.emit('Expand', [this.tensor(values, [], dtype), this.integers(shape)]);
  }

  /**
   * Operands of an elementwise node; uniform constants stay single numbers wherever the others give
   * the result its shape.
   */
  private broadcastValues(node: GraphNode): string[] {
    const full = node.inputs.filter((input) => uniformValue(input) === undefined);
    const shape = full.reduce<Shape>((joint, input) => broadcastShapes(joint, input.shape), []);
    const isLazy = full.length > 0 && sameShape(shape, node.shape);
    return node.inputs.map((input) => {
      if (!isLazy || input.op.kind !== 'constant' || uniformValue(input) === undefined) return this.value(input);
      return this.tensor(input.op.values, [], input.dtype);
    });
  }

  private tensor(
    values: TypedArray,
    dims: Shape,
    dtype: DType | 'int64',
    bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  ): string {
    const key = `${dtype}[${dims}]${bytes.length <= 256 ? bytes.join('.') : `#${this.initializers.size}`}`;
    const known = this.initializers.get(key);
    if (known !== undefined) return known.name;
    const name = `c${this.initializers.size}`;
    this.initializers.set(key, { name, dims, data_type: dataTypes[dtype], raw_data: bytes });
    return name;
  }

  /** A list of 64-bit integers: shapes, axes, offsets. */
  private integers(values: readonly number[]): string {
    const longs = BigInt64Array.from(values, (value) => BigInt(value));
    return this.tensor(new Uint8Array(0), [values.length], 'int64', new Uint8Array(longs.buffer));
  }

  private lower(node: GraphNode): string {
    const { op } = node;
    const operand = (position: number) => this.value(node.inputs[position]!);
    switch (op.kind) {
      case 'input': {
        const name = inputName(op.source, op.name);
        this.inputs.push({ name, dtype: op.dtype, shape: op.shape });
        return name;
      }
      case 'unary':
        return this.unary(op.fn, operand(0));
      case 'binary':
        return this.emit(binaryOperators[op.fn], this.broadcastValues(node));
      case 'select':
        return this.emit('Where', this.broadcastValues(node));
      case 'cast':
        return this.emit('Cast', [operand(0)], { to: { int: dataTypes[op.dtype] } });
      case 'reshape':
        return this.emit('Reshape', [operand(0), this.integers(op.shape)]);
      case 'transpose':
        return this.emit('Transpose', [operand(0)], { perm: { ints: op.perm } });
      case 'broadcast':
        return this.upsampled(node) ?? this.emit('Expand', [operand(0), this.integers(op.shape)]);
      case 'slice':
        return this.slice(
          operand(0),
          op.begin,
          op.begin.map((from, axis) => from + (op.size[axis]! - 1) * op.strides[axis]! + 1),
          op.strides,
        );
      case 'reverse': {
        const rank = node.shape.length;
        const isReversed = Array.from({ length: rank }, (_, axis) => op.axes.includes(axis));
        return this.slice(
          operand(0),
          isReversed.map((yes) => (yes ? -1 : 0)),
          isReversed.map((yes, axis) => (yes ? -2147483648 : node.shape[axis]!)),
          isReversed.map((yes) => (yes ? -1 : 1)),
        );
      }
      case 'pad': {
        const filler = this.tensor(
          node.dtype === 'float32' ? Float32Array.of(op.value) : Int32Array.of(op.value),
          [],
          node.dtype,
        );
        return this.emit('Pad', [operand(0), this.integers([...op.before, ...op.after]), filler]);
      }
      case 'concat':
        return this.emit(
          'Concat',
          node.inputs.map((_, i) => operand(i)),
          { axis: { int: op.axis } },
        );
      case 'reduce':
        return this.pooled(node, op) ?? this.reduction(operand(0), op, node.inputs[0]!.shape);
      case 'argReduce': {
        const index = this.emit(op.fn === 'max' ? 'ArgMax' : 'ArgMin', [operand(0)], {
          axis: { int: op.axis },
          keepdims: { int: 0 },
        });
        return this.emit('Cast', [index], { to: { int: dataTypes.int32 } });
      }
      case 'matmul':
        return this.matmul(node, op);
      case 'conv2d':
        return this.emit('Conv', [operand(0), operand(1)], windowAttributes(op));
      case 'convInputGradient': {
        const [, , height, width] = node.inputs[0]!.shape as [number, number, number, number];
        const [, , kernelHeight, kernelWidth] = node.inputs[1]!.shape as [number, number, number, number];
        const rest = (size: number, count: number, kernel: number, axis: 0 | 1) =>
          size +
          op.pads[axis]! +
          op.pads[axis + 2]! -
          (count - 1) * op.strides[axis]! -
          (kernel - 1) * op.dilations[axis]! -
          1;
        const padding = [rest(op.inputSize[0], height, kernelHeight, 0), rest(op.inputSize[1], width, kernelWidth, 1)];
        return this.emit('ConvTranspose', [operand(0), operand(1)], {
          ...windowAttributes(op),
          output_padding: { ints: padding },
        });
      }
      case 'softmax':
        return this.emit(op.log ? 'LogSoftmax' : 'Softmax', [operand(0)], { axis: { int: -1 } });
      case 'gather':
        return this.emit('Gather', [operand(0), operand(1)], { axis: { int: op.axis } });
      case 'cumulativeSum':
        return this.emit('CumSum', [operand(0), this.tensor(Int32Array.of(op.axis), [], 'int32')], {
          exclusive: { int: op.exclusive ? 1 : 0 },
          reverse: { int: op.reverse ? 1 : 0 },
        });
      case 'after':
        // a choice that always falls on x, by a condition computed from the others, which no
        // optimiser can evaluate
        return this.emit('Where', [
          this.neverTrue(node.inputs.slice(1)),
          this.tensor(zeroOf(node.dtype), [], node.dtype),
          operand(0),
        ]);
      case 'constant':
      case 'segmentSum':
      case 'oneHot':
      case 'convFilterGradient':
      case 'columns':
        throw new Error(`operator ${op.kind} reached the ONNX writer; a pass should have rewritten it`);
      default:
        return op satisfies never;
    }
  }

  /** A scalar that is false for all values, and is available only after all of them. */
  private neverTrue(nodes: readonly GraphNode[]): string {
    const key = nodes.map(({ id }) => id).join();
    const known = this.conditions.get(key);
    if (known !== undefined) return known;
    const samples = nodes.map((node) => {
      const { shape } = node;
      const first =
        shape.length === 0
          ? this.value(node)
          : this.slice(
              this.value(node),
              shape.map(() => 0),
              shape.map(() => 1),
              shape.map(() => 1),
            );
      return this.emit('Reshape', [first, this.integers([1])]);
    });
    const joined = samples.length === 1 ? samples[0]! : this.emit('Concat', samples, { axis: { int: 0 } });
    const sum = this.emit('ReduceSum', [joined, this.integers([0])], { keepdims: { int: 0 } });
    const condition = this.emit('Less', [sum, sum]);
    this.conditions.set(key, condition);
    return condition;
  }

  /**
   * Axes of length one behind a reduced axis are reduced with it, which ONNX Runtime's kernels do
   * twice as fast.
   */
  private reduction(x: string, op: Extract<GraphNode['op'], { kind: 'reduce' }>, shape: Shape): string {
    const axes = [...op.axes];
    if (op.keepDims) {
      for (let axis = Math.max(...op.axes) + 1; axis < shape.length && shape[axis] === 1; axis++) axes.push(axis);
    }
    return this.emit(reductionOperators[op.fn], [x, this.integers(axes)], {
      keepdims: { int: op.keepDims ? 1 : 0 },
    });
  }

  /**
   * A reduction over windows that tile an image is a pool: ONNX Runtime's is many times as fast as
   * its reduction over short inner axes.
   */
  private pooled(node: GraphNode, op: Extract<GraphNode['op'], { kind: 'reduce' }>): string | undefined {
    const tiles = node.inputs[0]!.shape;
    const window = windowOf(tiles, op.axes);
    if (window === undefined || node.dtype !== 'float32' || (op.fn !== 'max' && op.fn !== 'mean' && op.fn !== 'sum'))
      return undefined;
    const image = this.emit('Reshape', [this.value(node.inputs[0]!), this.integers(imageShape(tiles))]);
    const attributes = { kernel_shape: { ints: window }, strides: { ints: window } };
    const pool = this.emit(op.fn === 'max' ? 'MaxPool' : 'AveragePool', [image], attributes);
    const result = this.emit('Reshape', [pool, this.integers(node.shape)]);
    if (op.fn !== 'sum') return result;
    return this.emit('Mul', [result, this.tensor(Float32Array.of(window[0] * window[1]), [], 'float32')]);
  }

  /** A broadcast of one value to each window is an upsampling to the nearest. */
  private upsampled(node: GraphNode): string | undefined {
    const x = node.inputs[0]!;
    const rank = node.shape.length;
    const grown = node.shape.flatMap((length, axis) =>
      x.shape.length === rank && x.shape[axis] !== length ? [axis] : [],
    );
    const window = x.shape.length === rank ? windowOf(node.shape, grown) : undefined;
    if (window === undefined || node.dtype !== 'float32') return undefined;
    const image = this.emit('Reshape', [this.value(x), this.integers(imageShape(x.shape))]);
    const scales = this.tensor(Float32Array.of(1, 1, ...window), [4], 'float32');
    const attributes = {
      mode: { text: 'nearest' },
      coordinate_transformation_mode: { text: 'asymmetric' },
      nearest_mode: { text: 'floor' },
    };
    return this.emit('Reshape', [this.emit('Resize', [image, '', scales], attributes), this.integers(node.shape)]);
  }

  private unary(fn: UnaryFunction, x: string): string {
    const scalar = (value: number) => this.tensor(Float32Array.of(value), [], 'float32');
    if (fn === 'expm1') {
      // tanh(x/2)·(eˣ + 1) keeps the digits that eˣ − 1 loses near zero
      const half = this.emit('Tanh', [this.emit('Mul', [x, scalar(0.5)])]);
      return this.emit('Mul', [half, this.emit('Add', [this.emit('Exp', [x]), scalar(1)])]);
    }
    if (fn === 'log1p') {
      // log(u)·x/(u − 1) with u = 1 + x rounded (Goldberg 1991, theorem 4), x itself where u is 1
      const u = this.emit('Add', [x, scalar(1)]);
      const isTiny = this.emit('Equal', [u, scalar(1)]);
      const ratio = this.emit('Div', [x, this.emit('Where', [isTiny, scalar(1), this.emit('Sub', [u, scalar(1)])])]);
      return this.emit('Where', [isTiny, x, this.emit('Mul', [this.emit('Log', [u]), ratio])]);
    }
    if (fn === 'step') {
      // min(1, max(0, 3e38·x)): one pass, where a comparison and a cast are two
      if (this.options.hardSigmoidStep)
        return this.emit('HardSigmoid', [x], { alpha: { float: 3e38 }, beta: { float: 0 } });
      return this.emit('Cast', [this.emit('Greater', [x, scalar(0)])], { to: { int: dataTypes.float32 } });
    }
    return this.emit(unaryOperators[fn], [x]);
  }

  private slice(x: string, starts: readonly number[], ends: readonly number[], steps: readonly number[]): string {
    const axes = starts.map((_, axis) => axis);
    return this.emit('Slice', [
      x,
      this.integers(starts),
      this.integers(ends),
      this.integers(axes),
      this.integers(steps),
    ]);
  }

  private matmul(node: GraphNode, op: { transposeA: boolean; transposeB: boolean; alpha: number }): string {
    const [a, b] = [this.value(node.inputs[0]!), this.value(node.inputs[1]!)];
    if (!op.transposeA && !op.transposeB && op.alpha === 1) return this.emit('MatMul', [a, b]);
    if (this.options.fusedMatMul) {
      const attributes = {
        alpha: { float: op.alpha },
        transA: { int: op.transposeA ? 1 : 0 },
        transB: { int: op.transposeB ? 1 : 0 },
      };
      return this.emit('FusedMatMul', [a, b], attributes, 'com.microsoft');
    }
    const turn = (x: string, rank: number, isTransposed: boolean) =>
      isTransposed ? this.emit('Transpose', [x], { perm: { ints: swapLast(rank) } }) : x;
    const product = this.emit('MatMul', [
      turn(a, node.inputs[0]!.shape.length, op.transposeA),
      turn(b, node.inputs[1]!.shape.length, op.transposeB),
    ]);
    return op.alpha === 1
      ? product
      : this.emit('Mul', [product, this.tensor(Float32Array.of(op.alpha), [], 'float32')]);
  }
}

function zeroOf(dtype: DType): TypedArray {
  return dtype === 'float32' ? Float32Array.of(0) : Int32Array.of(0);
}

/** [..., H′, k, W′, k] as images [1, ..., H′·k, W′·k]. */
function imageShape(tiles: Shape): number[] {
  const [height, rows, width, columns] = tiles.slice(-4) as [number, number, number, number];
  return [1, sizeOf(tiles.slice(0, -4)), height * rows, width * columns];
}

function windowAttributes(window: Window): Record<string, OnnxAttribute> {
  return {
    strides: { ints: window.strides },
    pads: { ints: window.pads },
    dilations: { ints: window.dilations },
    group: { int: window.groups },
  };
}

function swapLast(rank: number): number[] {
  return Array.from({ length: rank }, (_, axis) =>
    axis === rank - 1 ? rank - 2 : axis === rank - 2 ? rank - 1 : axis,
  );
}

/**
 * The window's size, when a reduction or a broadcast of [..., H′, k, W′, k] goes over exactly the
 * windows.
 */
function windowOf(tiles: Shape, axes: readonly number[]): readonly [number, number] | undefined {
  const rank = tiles.length;
  if (rank < 4 || axes.length !== 2 || axes[0] !== rank - 3 || axes[1] !== rank - 1) return undefined;
  return [tiles[rank - 3]!, tiles[rank - 1]!];
}
