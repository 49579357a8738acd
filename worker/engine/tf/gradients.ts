// The gradients that TensorFlow.js lacks or gets wrong at second order, registered for every
// backend at once. Each is written in operators that have gradients themselves, so it can be
// differentiated to any order. Pooling is differentiated as a maximum or a mean over shifted
// slices, since `MaxPoolGrad` and `AvgPoolGrad` have no gradients.
import type * as tfjs from '@tensorflow/tfjs';
import { edgeGradients } from './edge-gradients.ts';
import { type Attributes, register, sumTo, type Tensor, type Tf } from './register.ts';

/** Registers them with the given TensorFlow.js; calling it twice is harmless. */
export function registerMissingGradients(tf: Tf): void {
  zeroGradients(tf);
  arithmeticGradients(tf);
  edgeGradients(tf);
  convolutionGradients(tf);
  poolingGradients(tf);
  movementGradients(tf);

  // tfjs's own uses an EluGrad kernel, which has no gradient. Where y ≤ 0, elu′ = exp(x) = y + 1.
  register(tf, 'Elu', ['x'], (dy, [x]) => ({
    x: () => tf.mul(dy, tf.where(tf.greater(x!, 0), tf.onesLike(x!), tf.exp(tf.minimum(x!, 0)))),
  }));
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

function arithmeticGradients(tf: Tf): void {
  // tfjs's own gives each operand a gradient of the result's shape, also where the operand was
  // broadcast.
  register(tf, 'SquaredDifference', ['a', 'b'], (dy, [a, b]) => {
    const half = () => tf.mul(dy, tf.mul(2, tf.sub(a!, b!)));
    return { a: () => sumTo(tf, half(), a!), b: () => sumTo(tf, tf.neg(half()), b!) };
  });
  // tfjs's own uses Cumprod, which has no gradient. The product of all others is the product of
  // those before times the product of those after: without a division, so zeros are safe.
  register(tf, 'Prod', ['x'], (dy, [x], attributes) => ({
    x: () => {
      const axes = tf.util.parseAxisParam(
        (attributes.axis as number[] | undefined) ?? x!.shape.map((_, i) => i),
        x!.shape,
      );
      const kept = x!.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
      const order = [...kept, ...axes];
      const lengths = order.map((axis) => x!.shape[axis]!);
      const outer = lengths.slice(0, kept.length);
      const factors = tf.unstack(tf.reshape(tf.transpose(x!, order), [...outer, -1]), kept.length);
      const others = productsOfOthers(tf, factors).map((product) => tf.mul(product, tf.reshape(dy, outer)));
      const back = order.map((_, axis) => order.indexOf(axis));
      return tf.transpose(tf.reshape(tf.stack(others, kept.length), lengths), back);
    },
  }));
}

function productsOfOthers(tf: Tf, factors: readonly Tensor[]): Tensor[] {
  const running = (list: readonly Tensor[]) => {
    const products = [tf.onesLike(list[0]!)];
    for (const factor of list.slice(0, -1)) products.push(tf.mul(products.at(-1)!, factor));
    return products;
  };
  const before = running(factors);
  const behind = running([...factors].reverse()).reverse();
  return factors.map((_, i) => tf.mul(before[i]!, behind[i]!));
}

/**
 * A convolution is linear in its input and in its filter, so each of its three kernels is a
 * gradient of the other two.
 */
function convolutionGradients(tf: Tf): void {
  const run = (kernel: string, inputs: Record<string, Tensor>, attributes: Attributes) =>
    tf.engine().runKernel(kernel, inputs, attributes as tfjs.NamedAttrMap) as Tensor;

  // tfjs's own refuses dilations. A dilated filter is a larger one with zeros in between.
  register(tf, 'Conv2D', ['x', 'filter'], (dy, [x, filter], attributes) => {
    const { strides, pad, dataFormat, dimRoundingMode } = attributes;
    const dilations = pairOf(attributes.dilations as number | [number, number] | undefined);
    const shared = { strides, pad, dataFormat, dimRoundingMode };
    const spaced = dilate(tf, filter!, dilations);
    return {
      x: () => run('Conv2DBackpropInput', { dy, filter: spaced }, { ...shared, inputShape: x!.shape }),
      filter: () => {
        const gradient = run('Conv2DBackpropFilter', { x: x!, dy }, { ...shared, filterShape: spaced.shape });
        return undilate(tf, gradient, filter!.shape, dilations);
      },
    };
  });
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

function pairOf(value: number | readonly [number, number] | undefined): readonly [number, number] {
  return typeof value === 'object' ? value : [value ?? 1, value ?? 1];
}

/** [h, w, …] with zeros between rows and columns, so that neighbours are `dilations` apart. */
function dilate(tf: Tf, filter: Tensor, [rows, columns]: readonly [number, number]): Tensor {
  if (rows === 1 && columns === 1) return filter;
  const [height, width, ...channels] = filter.shape as [number, number, ...number[]];
  const none = channels.map((): [number, number] => [0, 0]);
  const cells = tf.pad(tf.reshape(filter, [height, 1, width, 1, ...channels]), [
    [0, 0],
    [0, rows - 1],
    [0, 0],
    [0, columns - 1],
    ...none,
  ]);
  const whole = tf.reshape(cells, [height * rows, width * columns, ...channels]);
  const size = [(height - 1) * rows + 1, (width - 1) * columns + 1, ...channels];
  return tf.slice(
    whole,
    size.map(() => 0),
    size,
  );
}

/** The transpose of `dilate`. */
function undilate(tf: Tf, gradient: Tensor, shape: number[], [rows, columns]: readonly [number, number]): Tensor {
  if (rows === 1 && columns === 1) return gradient;
  const [height, width, ...channels] = shape as [number, number, ...number[]];
  const none = channels.map((): [number, number] => [0, 0]);
  const whole = tf.pad(gradient, [[0, rows - 1], [0, columns - 1], ...none]);
  const cells = tf.reshape(whole, [height, rows, width, columns, ...channels]);
  return tf.reshape(
    tf.slice(
      cells,
      cells.shape.map(() => 0),
      [height, 1, width, 1, ...channels],
    ),
    shape,
  );
}

interface PoolAttributes {
  readonly filterSize: [number, number] | number;
  readonly strides: [number, number] | number;
  readonly pad: 'valid' | 'same' | number;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/**
 * Every element that equals its window's maximum receives the window's gradient: if several are
 * equal, each receives all of it, as in TensorFlow.js's gradient of `max`.
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
  /**
   * Windows neither overlap nor leave the image: then there is one slice, [N, H′, k, W′, k, C], of
   * all positions at once.
   */
  readonly isTiling: boolean;
  readonly sliceShapes: number[][];
  /**
   * For each position in the window, the elements of all windows there, [N, H′, W′, C]; outside of
   * the image they are `padding`.
   */
  slices(x: tfjs.Tensor4D, padding: number): Tensor[];
  /** The pool's output or its gradient in a shape that broadcasts against a slice. */
  align(y: Tensor): Tensor;
  /** The transpose of `slices`: adds the gradients of all positions, in the shape of x. */
  spread(parts: Tensor[]): Tensor;
  /** How many elements of the image each window covers, in a shape that broadcasts against y. */
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

/**
 * A strided slice is a slice of a reshape: the padded image as cells of stride × stride,
 * [N, rows, s, columns, s, C].
 */
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
  // tfjs's own leaves out the gradient of the mirrored borders.
  register(tf, 'MirrorPad', ['x'], (dy, [x], attributes) => ({
    x: () => {
      const offset = attributes.mode === 'reflect' ? 1 : 0;
      return (attributes.paddings as [number, number][]).reduce(
        (gradient, [before, after], axis) => foldBorders(tf, gradient, axis, before, x!.shape[axis]!, after, offset),
        dy,
      );
    },
  }));
  // tfjs has none. The elements between those taken receive zero.
  register(tf, 'StridedSlice', ['x'], (dy, [x], attributes) => ({
    x: () => {
      const a = attributes as Record<'begin' | 'end' | 'strides', number[]> & Record<string, number>;
      const masks = [a.beginMask!, a.endMask!, a.ellipsisMask!, a.newAxisMask!, a.shrinkAxisMask!] as const;
      const { begin, strides, finalShapeSparse } = tf.slice_util.sliceInfo(
        x!.shape,
        a.begin,
        a.end,
        a.strides,
        ...masks,
      );
      const sizes = finalShapeSparse.length === x!.shape.length ? finalShapeSparse : undefined;
      if (sizes === undefined || strides.some((stride) => stride < 1))
        throw new Error('gradient function not found for StridedSlice');
      const single = sizes.flatMap((size) => [size, 1]);
      const spaced = strides.flatMap((stride): [number, number][] => [
        [0, 0],
        [0, stride - 1],
      ]);
      const whole = sizes.map((size, axis) => size * strides[axis]!);
      const cells = tf.reshape(tf.pad(tf.reshape(dy, single), spaced), whole);
      const inside = tf.slice(
        cells,
        whole.map(() => 0),
        whole.map((length, axis) => Math.min(length, x!.shape[axis]! - begin[axis]!)),
      );
      return tf.pad(
        inside,
        x!.shape.map((length, axis): [number, number] => [begin[axis]!, length - begin[axis]! - inside.shape[axis]!]),
      );
    },
  }));
  // tfjs's own transposes the result whenever the axis is not the last one.
  register(tf, 'Cumsum', ['x'], (dy, _saved, attributes) => ({
    x: () =>
      tf.cumsum(dy, attributes.axis as number, attributes.exclusive as boolean, !(attributes.reverse as boolean)),
  }));
}

/** The transpose of mirroring along one axis: each border is reversed and added where it came from. */
function foldBorders(
  tf: Tf,
  gradient: Tensor,
  axis: number,
  before: number,
  length: number,
  after: number,
  offset: number,
): Tensor {
  const part = (begin: number, size: number) =>
    tf.slice(
      gradient,
      gradient.shape.map((_, position) => (position === axis ? begin : 0)),
      gradient.shape.map((full, position) => (position === axis ? size : full)),
    );
  const placed = (border: Tensor, start: number) =>
    tf.pad(
      tf.reverse(border, axis),
      border.shape.map((size, position): [number, number] =>
        position === axis ? [start, length - start - size] : [0, 0],
      ),
    );
  let sum = part(before, length);
  if (before > 0) sum = tf.add(sum, placed(part(0, before), offset));
  if (after > 0) sum = tf.add(sum, placed(part(before + length, after), length - after - offset));
  return sum;
}
