// The catalogue of operators: for each one that a model, a loss or an algorithm is written with, a small function of parameters and a task's tensors.
// The checks beside it hold every entry to the same claims, and docs/engine.md shows the entries as a table. An operator is covered by adding it here
// or, a layer, to layer-operators.ts.
import { tf } from '../../../worker/engine/tf/tf.ts';
import { layerFamilies } from './layer-operators.ts';
import {
  bent,
  elementwise,
  float,
  inside,
  integer,
  mixed,
  mixing,
  normalized,
  type OperatorCase,
  type OperatorFamily,
  oneHot,
  positive,
  type T2,
} from './operator-case.ts';

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

export const operatorFamilies: readonly OperatorFamily[] = [
  ...layerFamilies,
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
