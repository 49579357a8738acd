// The catalogue of operators: for each one that a model, a loss or an algorithm is written with, a small function of parameters and a task's tensors.
// The checks beside it hold every entry to the same claims, and docs/engine.md shows the entries as a table. An operator is covered by adding it here.
import type { NamedTensors, TensorSpec, TensorSpecs } from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf.ts';

export interface OperatorCase {
  readonly name: string;
  readonly params: TensorSpecs;
  /** Tensors of one task, filled with numbers around zero; int32 ones with 0 … `labels` − 1. */
  readonly task: TensorSpecs;
  readonly labels?: number;
  /** The operator at work; what it returns is squared and averaged to make a loss. */
  apply(params: NamedTensors, task: NamedTensors): tf.Tensor;
  /** Its gradient is zero or not defined: only values are compared. */
  readonly valuesOnly?: true;
  /** Half the distance of the finite differences; smaller where a kink is near. Default 1e-2. */
  readonly reach?: number;
}

export interface OperatorFamily {
  readonly family: string;
  readonly cases: readonly OperatorCase[];
}

type T2 = tf.Tensor2D;
type T3 = tf.Tensor3D;
type T4 = tf.Tensor4D;

const float = (...shape: number[]): TensorSpec => ({ shape, dtype: 'float32' });
const integer = (...shape: number[]): TensorSpec => ({ shape, dtype: 'int32' });

/** x · w for a task's x [4, 3] and a parameter w [3, 5]: numbers that depend on both, for operators that have no parameters themselves. */
const mixed = (params: NamedTensors, task: NamedTensors) => tf.matMul(task.x as T2, params.w as T2);
const mixing = { params: { w: float(3, 5) }, task: { x: float(4, 3) } } as const;

/** An elementwise operator; `prepare` brings its operand into its domain. */
function elementwise(
  name: string,
  fn: (x: tf.Tensor) => tf.Tensor,
  prepare: (x: tf.Tensor) => tf.Tensor = (x) => x,
  options: Pick<OperatorCase, 'valuesOnly' | 'reach'> = {},
): OperatorCase {
  return { name, ...mixing, apply: (params, task) => fn(prepare(mixed(params, task))), ...options };
}

/** Positive, away from zero. */
const positive = (x: tf.Tensor) => tf.add(tf.square(x), 0.5);
/** In (−0.9, 0.9). */
const inside = (x: tf.Tensor) => tf.mul(tf.sin(x), 0.9);

/** Where an operator bends, differences must stay on one side. */
const bent = { reach: 1e-3 } as const;

const image = { params: { w: float(3, 3, 2, 3) }, task: { x: float(2, 6, 6, 2) } } as const;

function convolution(
  name: string,
  strides: number | [number, number],
  pad: 'same' | 'valid' | number,
  dilations: number | [number, number] = 1,
): OperatorCase {
  return {
    name,
    ...image,
    apply: ({ w }, { x }) => tf.conv2d(x as T4, w as T4, strides, pad, 'NHWC', dilations),
  };
}

/** A pool of a convolution, so that there is a parameter behind it. */
function pool(name: string, fn: (x: T4) => tf.Tensor): OperatorCase {
  return {
    name,
    params: { w: float(1, 1, 2, 2) },
    task: { x: float(2, 6, 6, 2) },
    apply: ({ w }, { x }) => fn(tf.conv2d(x as T4, w as T4, 1, 'same')),
    ...bent,
  };
}

/** (x − mean) / √(variance + ε) over the axes. */
function normalized(x: tf.Tensor, axes: number[]): tf.Tensor {
  const centred = tf.sub(x, tf.mean(x, axes, true));
  return tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), axes, true), 1e-3)));
}

const normParams = { w: float(1, 1, 2, 4), scale: float(4), offset: float(4) } as const;

function norm(name: string, fn: (x: T4) => tf.Tensor): OperatorCase {
  return {
    name,
    params: normParams,
    task: { x: float(3, 4, 4, 2) },
    apply: ({ w, scale, offset }, { x }) =>
      // squared, or the mean of a normalised tensor's squares would not depend on w
      tf.square(tf.add(tf.mul(fn(tf.conv2d(x as T4, w as T4, 1, 'same')), scale!), offset!)),
  };
}

/** One step of an LSTM: Hochreiter & Schmidhuber 1997 with forget gates. */
function lstmStep(params: NamedTensors, x: T2, h: T2, c: T2): [T2, T2] {
  const gates = tf.add(tf.add(tf.matMul(x, params.input as T2), tf.matMul(h, params.recurrent as T2)), params.bias!);
  const [i, f, g, o] = tf.split(gates, 4, 1) as [T2, T2, T2, T2];
  const next = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g))) as T2;
  return [tf.mul(tf.sigmoid(o), tf.tanh(next)) as T2, next];
}

/** One step of a GRU: Cho et al. 2014. */
function gruStep(params: NamedTensors, x: T2, h: T2): T2 {
  const input = tf.add(tf.matMul(x, params.input as T2), params.bias!);
  const recurrent = tf.matMul(h, params.recurrent as T2);
  const [updateX, resetX, newX] = tf.split(input, 3, 1) as [T2, T2, T2];
  const [updateH, resetH, newH] = tf.split(recurrent, 3, 1) as [T2, T2, T2];
  const update = tf.sigmoid(tf.add(updateX, updateH));
  const candidate = tf.tanh(tf.add(newX, tf.mul(tf.sigmoid(tf.add(resetX, resetH)), newH)));
  return tf.add(tf.mul(update, h), tf.mul(tf.sub(1, update), candidate)) as T2;
}

function recurrent(name: string, gates: number, run: (params: NamedTensors, steps: T2[]) => tf.Tensor): OperatorCase {
  return {
    name,
    params: { input: float(2, 3 * gates), recurrent: float(3, 3 * gates), bias: float(3 * gates) },
    task: { x: float(2, 3, 2) },
    apply: (params, { x }) => run(params, tf.unstack(x!, 1) as T2[]),
  };
}

/** softmax(q·kᵀ / √d + mask) · v over [batch, heads, length, d]. Vaswani et al. 2017, equation 1. */
function attention(params: NamedTensors, x: tf.Tensor, heads: number, mask?: tf.Tensor): tf.Tensor {
  const [batch, length, width] = x.shape as [number, number, number];
  const size = width / heads;
  const project = (name: string) =>
    tf.transpose(
      tf.reshape(tf.matMul(tf.reshape(x, [batch * length, width]), params[name] as T2), [batch, length, heads, size]),
      [0, 2, 1, 3],
    );
  const scores = tf.mul(tf.matMul(project('query'), project('key'), false, true), 1 / Math.sqrt(size));
  const weights = tf.softmax(mask === undefined ? scores : tf.add(scores, mask));
  const joined = tf.transpose(tf.matMul(weights, project('value')), [0, 2, 1, 3]);
  return tf.matMul(tf.reshape(joined, [batch * length, width]), params.output as T2);
}

const attentionCase = {
  params: { query: float(4, 4), key: float(4, 4), value: float(4, 4), output: float(4, 4) },
  task: { x: float(2, 3, 4) },
} as const;

/** A loss of predictions x·w [4, 5] and a task's targets. */
function loss(name: string, fn: (predictions: T2, targets: T2) => tf.Tensor, targets = float(4, 5)): OperatorCase {
  return {
    name,
    params: mixing.params,
    task: { ...mixing.task, y: targets },
    labels: 5,
    apply: (params, task) => fn(mixed(params, task) as T2, task.y as T2),
    ...bent,
  };
}

/** Targets between 0 and 1. */
const shares = (y: tf.Tensor) => tf.sigmoid(y);
const oneHot = (y: tf.Tensor) => tf.oneHot(y as tf.Tensor1D, 5);

export const operatorFamilies: readonly OperatorFamily[] = [
  {
    family: 'Dense',
    cases: [
      {
        name: 'dense layer (`matMul`, bias)',
        params: { w: float(3, 5), b: float(5) },
        task: { x: float(4, 3) },
        apply: ({ w, b }, { x }) => tf.add(tf.matMul(x as T2, w as T2), b!),
      },
      {
        name: '`matMul` with both operands transposed',
        params: { w: float(5, 4) },
        task: { x: float(4, 3) },
        apply: ({ w }, { x }) => tf.matMul(x as T2, w as T2, true, true),
      },
      {
        name: '`matMul` in batches',
        params: { w: float(2, 3, 5) },
        task: { x: float(2, 4, 3) },
        apply: ({ w }, { x }) => tf.matMul(x as T3, w as T3),
      },
      {
        name: '`dot`, `outerProduct`',
        params: { w: float(3) },
        task: { x: float(3) },
        apply: ({ w }, { x }) => tf.mul(tf.outerProduct(w as tf.Tensor1D, x as tf.Tensor1D), tf.dot(w!, x!)),
      },
    ],
  },
  {
    family: 'Convolution',
    cases: [
      convolution('`conv2d`, same', 1, 'same'),
      convolution('`conv2d`, valid', 1, 'valid'),
      convolution('`conv2d`, stride 2, same', 2, 'same'),
      convolution('`conv2d`, strides 2 × 3, valid', [2, 3], 'valid'),
      convolution('`conv2d`, explicit padding', 1, 2),
      convolution('`conv2d`, dilated', 1, 'same', 2),
      {
        name: '`conv1d`',
        params: { w: float(3, 2, 3) },
        task: { x: float(2, 7, 2) },
        apply: ({ w }, { x }) => tf.conv1d(x as T3, w as T3, 2, 'same'),
      },
      {
        name: '`conv2dTranspose`',
        params: { w: float(3, 3, 3, 2) },
        task: { x: float(2, 3, 3, 2) },
        apply: ({ w }, { x }) => tf.conv2dTranspose(x as T4, w as T4, [2, 6, 6, 3], 2, 'same'),
      },
      {
        name: '`depthwiseConv2d`',
        params: { w: float(3, 3, 2, 2) },
        task: { x: float(2, 5, 5, 2) },
        apply: ({ w }, { x }) => tf.depthwiseConv2d(x as T4, w as T4, 1, 'same'),
      },
      {
        name: '`depthwiseConv2d`, stride 2, valid',
        params: { w: float(3, 3, 2, 2) },
        task: { x: float(2, 6, 6, 2) },
        apply: ({ w }, { x }) => tf.depthwiseConv2d(x as T4, w as T4, 2, 'valid'),
      },
      {
        name: '`separableConv2d`',
        params: { w: float(3, 3, 2, 2), v: float(1, 1, 4, 3) },
        task: { x: float(2, 5, 5, 2) },
        apply: ({ w, v }, { x }) => tf.separableConv2d(x as T4, w as T4, v as T4, 1, 'same'),
      },
    ],
  },
  {
    family: 'Pooling',
    cases: [
      pool('`maxPool`, tiling', (x) => tf.maxPool(x, 2, 2, 'valid')),
      pool('`maxPool`, overlapping, same', (x) => tf.maxPool(x, 3, 2, 'same')),
      pool('`avgPool`, tiling', (x) => tf.avgPool(x, 2, 2, 'valid')),
      pool('`avgPool`, overlapping, same', (x) => tf.avgPool(x, 3, 2, 'same')),
      pool('global average', (x) => tf.mean(x, [1, 2])),
      pool('global maximum', (x) => tf.max(x, [1, 2])),
    ],
  },
  {
    family: 'Normalisation',
    cases: [
      norm("batch norm on the batch's statistics", (x) => normalized(x, [0, 1, 2])),
      {
        name: '`batchNorm` with given statistics',
        params: normParams,
        task: { x: float(3, 4, 4, 2), mean: float(4), variance: float(4) },
        apply: ({ w, scale, offset }, { x, mean, variance }) => {
          const hidden = tf.conv2d(x as T4, w as T4, 1, 'same');
          return tf.batchNorm(
            hidden,
            mean as tf.Tensor1D,
            positive(variance!) as tf.Tensor1D,
            offset as tf.Tensor1D,
            scale as tf.Tensor1D,
          );
        },
      },
      norm('layer norm', (x) => normalized(x, [1, 2, 3])),
      norm('group norm', (x) => {
        const [batch, height, width, channels] = x.shape;
        const groups = tf.reshape(x, [batch, height * width, 2, channels / 2]);
        return tf.reshape(normalized(groups, [1, 3]), x.shape);
      }),
      norm('instance norm', (x) => normalized(x, [1, 2])),
      norm('RMS norm', (x) => tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-3)))),
      elementwise('`moments`', (x) => tf.mul(tf.moments(x, 1).variance, tf.moments(x, 1).mean)),
    ],
  },
  {
    family: 'Embeddings and indices',
    cases: [
      {
        name: 'embedding (`gather`)',
        params: { table: float(5, 3) },
        task: { index: integer(4) },
        labels: 5,
        apply: ({ table }, { index }) => tf.gather(table!, index as tf.Tensor1D),
      },
      {
        name: '`gather` along an inner axis',
        params: { table: float(2, 5, 3) },
        task: { index: integer(2, 3), x: float(3) },
        labels: 5,
        apply: ({ table }, { index, x }) => tf.gather(tf.mul(table!, x!), index as T2, 1),
      },
      {
        name: '`oneHot`',
        params: { w: float(5, 3) },
        task: { index: integer(4) },
        labels: 5,
        apply: ({ w }, { index }) => tf.matMul(oneHot(index!) as T2, w as T2),
      },
      {
        name: '`unsortedSegmentSum`',
        ...mixing,
        task: { ...mixing.task, index: integer(4) },
        labels: 3,
        apply: (params, task) => tf.unsortedSegmentSum(mixed(params, task), task.index as tf.Tensor1D, 3),
      },
      elementwise('`argMax`, `argMin`', (x) => tf.add(tf.argMax(x, 1), tf.argMin(x, 1)), undefined, {
        valuesOnly: true,
      }),
    ],
  },
  {
    family: 'Recurrent cells',
    cases: [
      recurrent('LSTM', 4, (params, steps) => {
        let h = tf.zeros([2, 3]) as T2;
        let c = h;
        for (const x of steps) [h, c] = lstmStep(params, x, h, c);
        return tf.concat([h, c], 1);
      }),
      recurrent('GRU', 3, (params, steps) => {
        let h = tf.zeros([2, 3]) as T2;
        for (const x of steps) h = gruStep(params, x, h);
        return h;
      }),
      recurrent('`basicLSTMCell`', 4, (params, steps) => {
        let h = tf.zeros([2, 3]) as T2;
        let c = h;
        const kernel = tf.concat([params.input as T2, params.recurrent as T2], 0);
        for (const x of steps) [c, h] = tf.basicLSTMCell(tf.scalar(1), kernel, params.bias as tf.Tensor1D, x, c, h);
        return h;
      }),
    ],
  },
  {
    family: 'Attention',
    cases: [
      { name: 'attention, one head', ...attentionCase, apply: (params, { x }) => attention(params, x!, 1) },
      { name: 'attention, two heads', ...attentionCase, apply: (params, { x }) => attention(params, x!, 2) },
      {
        name: 'attention, causal mask',
        ...attentionCase,
        apply: (params, { x }) => {
          const allowed = tf.linalg.bandPart(tf.ones([3, 3]), -1, 0);
          return attention(params, x!, 2, tf.mul(tf.sub(1, allowed), -1e9));
        },
      },
      {
        name: "attention, a task's own mask (`where`)",
        ...attentionCase,
        task: { x: float(2, 3, 4), mask: integer(2, 1, 3, 3) },
        apply: (params, { x, mask }) =>
          attention(params, x!, 2, tf.where(tf.cast(mask!, 'bool'), tf.zerosLike(tf.cast(mask!, 'float32')), -1e9)),
      },
      {
        name: 'dropout with a given mask',
        ...mixing,
        task: { ...mixing.task, mask: integer(4, 5) },
        apply: (params, task) => tf.div(tf.mul(mixed(params, task), tf.cast(task.mask!, 'float32')), 0.5),
      },
    ],
  },
  {
    family: 'Activations',
    cases: [
      elementwise('`relu`', tf.relu, undefined, bent),
      elementwise('`relu6`', tf.relu6, (x) => tf.mul(x, 6), bent),
      elementwise('`leakyRelu`', (x) => tf.leakyRelu(x, 0.1), undefined, bent),
      {
        name: '`prelu`',
        params: { ...mixing.params, alpha: float(5) },
        task: mixing.task,
        apply: (params, task) => tf.prelu(mixed(params, task), params.alpha!),
        ...bent,
      },
      elementwise('`elu`', tf.elu, undefined, bent),
      elementwise('`selu`', tf.selu, undefined, bent),
      elementwise('gelu (`erf`)', (x) => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))))),
      elementwise('gelu (`tanh`)', (x) =>
        tf.mul(
          tf.mul(x, 0.5),
          tf.add(1, tf.tanh(tf.mul(tf.add(x, tf.mul(tf.pow(x, 3), 0.044715)), Math.sqrt(2 / Math.PI)))),
        ),
      ),
      elementwise('`softplus`', tf.softplus),
      elementwise('softsign', (x) => tf.div(x, tf.add(1, tf.abs(x))), undefined, bent),
      elementwise('`sigmoid`', tf.sigmoid),
      elementwise(
        'hard sigmoid (`clipByValue`)',
        (x) => tf.clipByValue(tf.add(tf.mul(x, 0.2), 0.5), 0, 1),
        undefined,
        bent,
      ),
      elementwise('`tanh`', tf.tanh),
      elementwise('swish', (x) => tf.mul(x, tf.sigmoid(x))),
      elementwise('mish', (x) => tf.mul(x, tf.tanh(tf.softplus(x)))),
      elementwise('`softmax`', (x) => tf.softmax(x as T2)),
      elementwise('`logSoftmax`', (x) => tf.logSoftmax(x)),
      elementwise('`logSigmoid`', tf.logSigmoid),
      elementwise('`step`', (x) => tf.step(x, 0.1), undefined, { valuesOnly: true }),
    ],
  },
  {
    family: 'Losses',
    cases: [
      loss('mean squared error', (p, y) => tf.losses.meanSquaredError(y, p)),
      loss('mean absolute error', (p, y) => tf.losses.absoluteDifference(y, p)),
      loss('Huber', (p, y) => tf.losses.huberLoss(y, p)),
      loss('log-cosh', (p, y) => tf.mean(tf.log(tf.cosh(tf.sub(p, y))))),
      loss('cross-entropy of a softmax', (p, y) => tf.losses.softmaxCrossEntropy(oneHot(y), p), integer(4)),
      loss(
        'cross-entropy with label smoothing',
        (p, y) => tf.losses.softmaxCrossEntropy(oneHot(y), p, undefined, 0.1),
        integer(4),
      ),
      loss(
        'negative log-likelihood (`logSoftmax`)',
        (p, y) => tf.neg(tf.mean(tf.sum(tf.mul(oneHot(y), tf.logSoftmax(p)), -1))),
        integer(4),
      ),
      loss('binary cross-entropy of logits', (p, y) => tf.losses.sigmoidCrossEntropy(shares(y), p)),
      loss('binary cross-entropy of shares', (p, y) => tf.losses.logLoss(shares(y), tf.sigmoid(p))),
      loss('hinge', (p, y) => tf.losses.hingeLoss(tf.cast(tf.greater(y, 0), 'float32'), p)),
      loss('cosine distance', (p, y) => tf.losses.cosineDistance(normalized(y, [1]), normalized(p, [1]), 1)),
      loss('Kullback–Leibler', (p, y) => {
        const target = tf.softmax(y);
        return tf.mean(tf.sum(tf.mul(target, tf.sub(tf.log(target), tf.logSoftmax(p))), -1));
      }),
      loss('L2 penalty', (p, y) => tf.add(tf.mean(tf.square(tf.sub(p, y))), tf.mul(0.1, tf.sum(tf.square(p))))),
    ],
  },
  {
    family: 'Arithmetic',
    cases: [
      elementwise('`add`, `sub`, `mul`, `div`', (x) => tf.div(tf.sub(tf.mul(x, tf.add(x, 1)), 2), positive(x))),
      {
        name: '`addN`',
        ...mixing,
        apply: (params, task) =>
          tf.addN([mixed(params, task), tf.square(mixed(params, task)), tf.sin(mixed(params, task))]),
      },
      {
        name: '`squaredDifference`, broadcast',
        ...mixing,
        apply: (params, task) => tf.squaredDifference(mixed(params, task), tf.sum(mixed(params, task), 1, true)),
      },
      elementwise('`exp`', tf.exp),
      elementwise('`expm1`', tf.expm1),
      elementwise('`log`', tf.log, positive),
      elementwise('`log1p`', tf.log1p, positive),
      elementwise('`sqrt`', tf.sqrt, positive),
      elementwise('`rsqrt`', tf.rsqrt, positive),
      elementwise('`reciprocal`', tf.reciprocal, positive),
      elementwise('`square`, `neg`', (x) => tf.sub(tf.neg(x), tf.square(x))),
      elementwise('`pow`', (x) => tf.pow(x, 2.5), positive),
      {
        name: '`pow` of two tensors',
        ...mixing,
        params: { ...mixing.params, exponent: float(5) },
        apply: (params, task) => tf.pow(positive(mixed(params, task)), params.exponent!),
      },
      elementwise('`abs`', tf.abs, undefined, bent),
      elementwise('`maximum`, `minimum`', (x) => tf.maximum(tf.minimum(x, 0.5), tf.mul(x, 0.1)), undefined, bent),
      elementwise('`clipByValue`', (x) => tf.clipByValue(x, -0.5, 0.5), undefined, bent),
      elementwise('`sin`, `cos`', (x) => tf.mul(tf.sin(x), tf.cos(x))),
      elementwise('`tan`', tf.tan, inside),
      elementwise('`asin`, `acos`', (x) => tf.mul(tf.asin(x), tf.acos(x)), inside),
      elementwise('`atan`', tf.atan),
      elementwise('`atan2`', (x) => tf.atan2(x, positive(x))),
      elementwise('`sinh`, `cosh`', (x) => tf.add(tf.sinh(x), tf.cosh(x))),
      elementwise('`asinh`', tf.asinh),
      elementwise('`acosh`', (x) => tf.acosh(tf.add(positive(x), 1))),
      elementwise('`atanh`', tf.atanh, inside),
      elementwise('`erf`', tf.erf),
      elementwise('`mod`', (x) => tf.mod(x, 0.7), undefined, bent),
      elementwise(
        '`sign`, `floor`, `ceil`, `round`',
        (x) => tf.add(tf.add(tf.sign(x), tf.floor(x)), tf.add(tf.ceil(x), tf.round(x))),
        undefined,
        { valuesOnly: true },
      ),
      elementwise(
        '`where`, comparisons',
        (x) => tf.where(tf.logicalAnd(tf.greater(x, -0.5), tf.lessEqual(x, 0.5)), tf.square(x), tf.mul(x, 2)),
        undefined,
        bent,
      ),
      elementwise(
        '`isNaN`, `isFinite`, `logicalOr`',
        (x) => tf.cast(tf.logicalOr(tf.isNaN(x), tf.isFinite(x)), 'float32'),
        undefined,
        { valuesOnly: true },
      ),
      elementwise(
        '`stopGradient` (`customGrad`)',
        (x) =>
          tf.mul(
            x,
            tf.customGrad((y) => ({ value: tf.square(y as tf.Tensor), gradFunc: (dy) => tf.zerosLike(dy) }))(x),
          ),
        undefined,
        { valuesOnly: true },
      ),
    ],
  },
  {
    family: 'Reductions',
    cases: [
      elementwise('`sum`, `mean`', (x) => tf.mul(tf.sum(x, 0), tf.add(tf.mean(x), 1))),
      elementwise('`max`, `min`', (x) => tf.sub(tf.max(x, 1, true), tf.min(x, 0, true)), undefined, bent),
      elementwise('`prod`', (x) => tf.prod(positive(x), 1)),
      elementwise('`logSumExp`', (x) => tf.logSumExp(x, 1)),
      elementwise('`norm`', (x) => tf.norm(x, 2, 1)),
      elementwise('`cumsum`', (x) => tf.cumsum(x, 1)),
      elementwise('`cumsum`, exclusive, reversed, inner axis', (x) => tf.cumsum(x, 0, true, true)),
      elementwise(
        '`any`, `all`',
        (x) => tf.add(tf.cast(tf.any(tf.greater(x, 0), 1), 'float32'), tf.cast(tf.all(tf.greater(x, 0), 1), 'float32')),
        undefined,
        { valuesOnly: true },
      ),
    ],
  },
  {
    family: 'Moving numbers',
    cases: [
      elementwise('`reshape`, `transpose`', (x) =>
        tf.mul(tf.transpose(tf.reshape(x, [2, 2, 5]), [2, 0, 1]), tf.reshape(x, [5, 2, 2])),
      ),
      elementwise('`expandDims`, `squeeze`', (x) => tf.squeeze(tf.mul(tf.expandDims(x, 1), tf.expandDims(x, 0)), [])),
      elementwise('`concat`, `stack`', (x) =>
        tf.mul(tf.concat([x, tf.square(x)], 0), tf.reshape(tf.stack([x, tf.sin(x)], 1), [8, 5])),
      ),
      elementwise('`split`, `unstack`', (x) => {
        const [a, b] = tf.split(x, [2, 3], 1) as [tf.Tensor, tf.Tensor];
        return tf.mul(tf.sum(a, 1), tf.mul(tf.sum(b, 1), tf.unstack(x, 1)[2]!));
      }),
      elementwise('`slice`', (x) => tf.mul(tf.slice(x, [1, 1], [2, 3]), tf.slice(x, [0, 2], [2, 3]))),
      elementwise('`stridedSlice`', (x) => tf.stridedSlice(x, [0, 0], [4, 5], [2, 2])),
      elementwise('`pad`', (x) =>
        tf.pad(
          x,
          [
            [1, 0],
            [2, 1],
          ],
          0.5,
        ),
      ),
      elementwise('`mirrorPad`, reflect and symmetric', (x) =>
        tf.add(
          tf.mirrorPad(
            x,
            [
              [1, 0],
              [2, 1],
            ],
            'reflect',
          ),
          tf.mirrorPad(
            x,
            [
              [0, 1],
              [1, 2],
            ],
            'symmetric',
          ),
        ),
      ),
      elementwise('`tile`, `broadcastTo`', (x) =>
        tf.mul(tf.tile(x, [1, 2]), tf.broadcastTo(tf.sum(x, 1, true), [4, 10])),
      ),
      elementwise('`reverse`', (x) => tf.mul(x, tf.reverse(x, 1))),
      elementwise('`cast`', (x) => tf.add(tf.cast(tf.cast(x, 'int32'), 'float32'), x), undefined, { valuesOnly: true }),
    ],
  },
];

export const operatorCases: readonly OperatorCase[] = operatorFamilies.flatMap(({ cases }) => cases);
