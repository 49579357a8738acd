// The gradients that TensorFlow.js lacks or gets wrong at second order, registered for every backend at once.
// Each is written in operators that have gradients themselves, so it can be differentiated to any order.
// Pooling is differentiated as a maximum or a mean over shifted slices, since `MaxPoolGrad` and `AvgPoolGrad` have no gradients.
import type * as tfjs from '@tensorflow/tfjs';

type Tf = typeof tfjs;
type Tensor = tfjs.Tensor;
type Attributes = Readonly<Record<string, unknown>>;

/** Registers them with the given TensorFlow.js; calling it twice is harmless. */
export function registerMissingGradients(tf: Tf): void {
  zeroGradients(tf);
  convolutionGradients(tf);
  poolingGradients(tf);
  movementGradients(tf);

  // tfjs's own uses an EluGrad kernel, which has no gradient. Where y ≤ 0, elu′ = exp(x) = y + 1.
  register(tf, 'Elu', ['x'], (dy, [x]) => ({
    x: () => tf.mul(dy, tf.where(tf.greater(x!, 0), tf.onesLike(x!), tf.exp(tf.minimum(x!, 0)))),
  }));
}

function register(
  tf: Tf,
  kernelName: string,
  inputsToSave: string[],
  gradient: (dy: Tensor, saved: Tensor[], attributes: Attributes) => Record<string, () => Tensor>,
): void {
  if (tf.getGradient(kernelName) !== undefined) tf.unregisterGradient(kernelName);
  const gradFunc = (dy: Tensor | Tensor[], saved: Tensor[], attributes: Attributes) =>
    gradient(dy as Tensor, saved, attributes);
  tf.registerGradient({ kernelName, inputsToSave, gradFunc: gradFunc as tfjs.GradConfig['gradFunc'] });
}

/** Piecewise constant functions. */
function zeroGradients(tf: Tf): void {
  const binary = ['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr'];
  for (const kernel of binary) {
    register(tf, kernel, ['a', 'b'], (_dy, [a, b]) => ({ a: () => zeros(tf, a!), b: () => zeros(tf, b!) }));
  }
  for (const kernel of ['LogicalNot', 'Any', 'All']) {
    register(tf, kernel, ['x'], (_dy, [x]) => ({ x: () => zeros(tf, x!) }));
  }
}

function zeros(tf: Tf, like: Tensor): Tensor {
  return tf.zeros(like.shape);
}

/** A convolution is linear in its input and in its filter, so each of its three kernels is a gradient of the other two. */
function convolutionGradients(tf: Tf): void {
  const run = (kernel: string, inputs: Record<string, Tensor>, attributes: Attributes) =>
    tf.engine().runKernel(kernel, inputs, attributes as tfjs.NamedAttrMap) as Tensor;

  register(tf, 'Conv2DBackpropFilter', ['x', 'dy'], (upstream, [x, dy], attributes) => {
    const { strides, pad, dataFormat, dimRoundingMode } = attributes;
    return {
      x: () =>
        run(
          'Conv2DBackpropInput',
          { dy: dy!, filter: upstream },
          { strides, pad, dataFormat, dimRoundingMode, inputShape: x!.shape },
        ),
      dy: () =>
        run('Conv2D', { x: x!, filter: upstream }, { strides, pad, dataFormat, dimRoundingMode, dilations: [1, 1] }),
    };
  });
  register(tf, 'DepthwiseConv2dNativeBackpropInput', ['dy', 'filter'], (upstream, [dy, filter], attributes) => {
    const { strides, pad, dilations, dimRoundingMode } = attributes;
    return {
      dy: () =>
        run('DepthwiseConv2dNative', { x: upstream, filter: filter! }, { strides, pad, dilations, dimRoundingMode }),
      filter: () =>
        run(
          'DepthwiseConv2dNativeBackpropFilter',
          { x: upstream, dy: dy! },
          { strides, pad, dilations, dimRoundingMode, filterShape: filter!.shape },
        ),
    };
  });
  register(tf, 'DepthwiseConv2dNativeBackpropFilter', ['x', 'dy'], (upstream, [x, dy], attributes) => {
    const { strides, pad, dilations, dimRoundingMode } = attributes;
    return {
      x: () =>
        run(
          'DepthwiseConv2dNativeBackpropInput',
          { dy: dy!, filter: upstream },
          { strides, pad, dilations, dimRoundingMode, inputShape: x!.shape },
        ),
      dy: () => run('DepthwiseConv2dNative', { x: x!, filter: upstream }, { strides, pad, dilations, dimRoundingMode }),
    };
  });
}

interface PoolAttributes {
  readonly filterSize: [number, number] | number;
  readonly strides: [number, number] | number;
  readonly pad: 'valid' | 'same' | number;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/**
 * Every element that equals its window's maximum receives the window's gradient: of equal elements each receives it whole, as in
 * TensorFlow.js's gradient of `max`.
 */
function poolingGradients(tf: Tf): void {
  register(tf, 'MaxPool', ['x'], (dy, [x], attributes) => ({
    x: () => {
      const windows = windowsOf(tf, x as tfjs.Tensor4D, attributes as unknown as PoolAttributes);
      const slices = windows.slices(x as tfjs.Tensor4D, Number.NEGATIVE_INFINITY);
      const most = windows.align(maxPoolDefinition(tf, x as tfjs.Tensor4D, attributes as unknown as PoolAttributes));
      const upstream = windows.align(dy);
      return windows.spread(slices.map((slice) => tf.mul(upstream, tf.cast(tf.equal(slice, most), 'float32'))));
    },
  }));
  register(tf, 'AvgPool', ['x'], (dy, [x], attributes) => ({
    x: () => {
      const windows = windowsOf(tf, x as tfjs.Tensor4D, attributes as unknown as PoolAttributes);
      const share = windows.align(tf.div(dy, windows.counts()));
      return windows.spread(windows.sliceShapes.map((shape) => tf.mul(share, tf.ones(shape))));
    },
  }));
}

/** Max pooling of x [N, H, W, C] in reshapes, pads, slices and maxima. */
export function maxPoolDefinition(tf: Tf, x: tfjs.Tensor4D, attributes: PoolAttributes): Tensor {
  const windows = windowsOf(tf, x, attributes);
  const slices = windows.slices(x, Number.NEGATIVE_INFINITY);
  if (windows.isTiling) return tf.max(tf.max(slices[0]!, 4), 2);
  return slices.reduce((most, slice) => tf.maximum(most, slice));
}

/** Average pooling of x [N, H, W, C]; as in TensorFlow, padding does not count. */
export function averagePoolDefinition(tf: Tf, x: tfjs.Tensor4D, attributes: PoolAttributes): Tensor {
  const windows = windowsOf(tf, x, attributes);
  const slices = windows.slices(x, 0);
  if (windows.isTiling) return tf.mean(slices[0]!, [2, 4]);
  return tf.div(
    slices.reduce((total, slice) => tf.add(total, slice)),
    windows.counts(),
  );
}

/** A pool's input seen through its windows. */
interface Windows {
  /** Windows neither overlap nor leave the image: then there is one slice, [N, H′, k, W′, k, C], of all positions at once. */
  readonly isTiling: boolean;
  readonly sliceShapes: number[][];
  /** For each position in the window what all windows see there, [N, H′, W′, C]; outside of the image they see `padding`. */
  slices(x: tfjs.Tensor4D, padding: number): Tensor[];
  /** The pool's output or its gradient in a shape that broadcasts against a slice. */
  align(y: Tensor): Tensor;
  /** The transpose of `slices`: adds what each position gives back into the shape of x. */
  spread(parts: Tensor[]): Tensor;
  /** How many elements of the image each window sees, in a shape that broadcasts against y. */
  counts(): Tensor;
}

function windowsOf(tf: Tf, x: tfjs.Tensor4D, { filterSize, strides, pad, dimRoundingMode }: PoolAttributes): Windows {
  const info = tf.backend_util.computePool2DInfo(x.shape, filterSize, strides, 1, pad, dimRoundingMode);
  const { top, bottom, left, right } = info.padInfo;
  const isPadded = top + bottom + left + right > 0;
  return !isPadded && info.strideHeight === info.filterHeight && info.strideWidth === info.filterWidth
    ? tilingWindows(tf, info)
    : overlappingWindows(tf, info);
}

type PoolInfo = tfjs.backend_util.Conv2DInfo;

/** Rows and columns that no window reaches are cut off. */
function tilingWindows(tf: Tf, info: PoolInfo): Windows {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  const height = outHeight * filterHeight;
  const width = outWidth * filterWidth;
  const isWhole = height === inHeight && width === inWidth;
  const shape = [batchSize, outHeight, filterHeight, outWidth, filterWidth, inChannels];
  return {
    isTiling: true,
    sliceShapes: [shape],
    slices: (x) => [tf.reshape(isWhole ? x : tf.slice(x, [0, 0, 0, 0], [batchSize, height, width, inChannels]), shape)],
    align: (y) => tf.reshape(y, [batchSize, outHeight, 1, outWidth, 1, inChannels]),
    spread: ([part]) => {
      const inside = tf.reshape(part!, [batchSize, height, width, inChannels]);
      return isWhole ? inside : tf.pad(inside, pairs(inHeight - height, inWidth - width));
    },
    counts: () => tf.scalar(filterHeight * filterWidth),
  };
}

/** A strided slice is a slice of a reshape: the padded image as cells of stride × stride, [N, rows, s, columns, s, C]. */
function overlappingWindows(tf: Tf, info: PoolInfo): Windows {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, strideHeight, strideWidth } = info;
  const { top, left } = info.padInfo;
  const rows = Math.ceil((info.filterHeight - 1) / strideHeight) + outHeight;
  const columns = Math.ceil((info.filterWidth - 1) / strideWidth) + outWidth;
  const padded = [
    Math.max(rows * strideHeight, top + inHeight),
    Math.max(columns * strideWidth, left + inWidth),
  ] as const;
  const positions: (readonly [number, number])[] = [];
  for (let row = 0; row < info.filterHeight; row++)
    for (let column = 0; column < info.filterWidth; column++) positions.push([row, column]);
  const begins = positions.map(([row, column]) => {
    return [
      0,
      Math.floor(row / strideHeight),
      row % strideHeight,
      Math.floor(column / strideWidth),
      column % strideWidth,
      0,
    ];
  });
  const cellShape = (batch: number, channels: number) => [batch, rows, strideHeight, columns, strideWidth, channels];
  const slicesOf = (x: tfjs.Tensor4D, padding: number) => {
    const [batch, , , channels] = x.shape;
    const image = tf.pad(x, pairs(padded[0] - top - inHeight, padded[1] - left - inWidth, top, left), padding);
    const inside = tf.slice(image, [0, 0, 0, 0], [batch, rows * strideHeight, columns * strideWidth, channels]);
    const cells = tf.reshape(inside, cellShape(batch, channels));
    return begins.map((begin) => {
      return tf.reshape(tf.slice(cells, begin, [batch, outHeight, 1, outWidth, 1, channels]), [
        batch,
        outHeight,
        outWidth,
        channels,
      ]);
    });
  };
  return {
    isTiling: false,
    sliceShapes: positions.map(() => [batchSize, outHeight, outWidth, inChannels]),
    slices: slicesOf,
    align: (y) => y,
    spread: (parts) => {
      const cells = parts.map((part, position) => {
        const cell = tf.reshape(part, [batchSize, outHeight, 1, outWidth, 1, inChannels]);
        const around = cellShape(batchSize, inChannels).map((length, axis): [number, number] => {
          const before = begins[position]![axis]!;
          return [before, length - before - cell.shape[axis]!];
        });
        return tf.pad(cell, around);
      });
      const sum = cells.reduce((total, cell) => tf.add(total, cell));
      const inside = tf.reshape(sum, [batchSize, rows * strideHeight, columns * strideWidth, inChannels]);
      const image = tf.pad(inside, pairs(padded[0] - rows * strideHeight, padded[1] - columns * strideWidth));
      return tf.slice(image, [0, top, left, 0], [batchSize, inHeight, inWidth, inChannels]);
    },
    counts: () => slicesOf(tf.ones([1, inHeight, inWidth, 1]), 0).reduce((total, slice) => tf.add(total, slice)),
  };
}

function pairs(bottom: number, right: number, top = 0, left = 0): [number, number][] {
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

function movementGradients(tf: Tf): void {
  // tfjs's own adds one slice for each repetition: 12 nodes for 12 copies where one sum does.
  register(tf, 'Tile', ['x'], (dy, [x], attributes) => ({
    x: () => {
      const reps = attributes.reps as number[];
      const split = x!.shape.flatMap((length, axis) => [reps[axis]!, length]);
      const copies = reps.map((_, axis) => 2 * axis);
      return tf.reshape(tf.sum(tf.reshape(dy, split), copies), x!.shape);
    },
  }));
  // tfjs's own transposes the result whenever the axis is not the last one.
  register(tf, 'Cumsum', ['x'], (dy, _saved, attributes) => ({
    x: () =>
      tf.cumsum(dy, attributes.axis as number, attributes.exclusive as boolean, !(attributes.reverse as boolean)),
  }));
}
