// What adaptation changes, layer by layer, from a task's state before any step to its last one: how far
// the parameters move, ‖φ − θ‖ / ‖θ‖, and how similar the outputs on the query inputs stay, by linear
// centered kernel alignment (Kornblith, Norouzi, Lee & Hinton 2019, equation 3 with linear kernels; for
// MAML, Raghu, Raghu, Bengio & Vinyals 2020, §3): with column-centred outputs X before and Y after,
// ‖YᵀX‖²_F / (‖XᵀX‖_F · ‖YᵀY‖_F), computed as ⟨XXᵀ, YYᵀ⟩ / (‖XXᵀ‖_F · ‖YYᵀ‖_F), since there are fewer
// examples than features. It is 1 for outputs that are rotated or scaled, and 0 for orthogonal ones. With
// few examples it comes out high, also between unrelated outputs.
import type * as tfjs from '@tensorflow/tfjs';
import { MetatrainError } from '../../shared/errors.ts';
import type { FieldProblem } from '../../shared/job-spec/explain.ts';
import type { MeasureHead } from '../../shared/measures.ts';
import type { NamedTensors } from '../built.ts';
import { layersOf, type Parameter } from '../facts.ts';
import type { Axis } from '../part.ts';
import type { Kit } from './kit.ts';
import type { Tf } from './tools.ts';

const movement = { name: 'layer-movement', title: 'movement of parameters, ‖φ − θ‖ / ‖θ‖', better: 'neither' } as const;
const similarity = {
  name: 'layer-similarity',
  title: 'similarity of outputs, linear CKA',
  better: 'neither',
  range: [0, 1],
} as const;

/**
 * What is measured along the layers of a model. @param namesLayers whether the model hands out
 * their outputs.
 */
export function insightHeads(model: readonly Parameter[], namesLayers: boolean): readonly MeasureHead[] {
  const layers = { axis: 'layer', points: [...layersOf(model).keys()] };
  return [movement, ...(namesLayers ? [similarity] : [])].map((kind) => ({ ...kind, ...layers }));
}

/** An algorithm without inner steps changes no parameter of the model. */
export const insightProblems = (algorithm: string, { axis, points }: Axis): readonly FieldProblem[] =>
  axis === innerStepAxis && points.length > 1
    ? []
    : [
        {
          field: 'evaluation.insight',
          got: `true with algorithm.name ${algorithm}, which takes no inner steps`,
          accepted: 'false, or an algorithm that adapts the model by inner steps',
        },
      ];

export const innerStepAxis = 'inner step';

/**
 * Vectors of one number a layer, by the name of their measure. `before` and `after` are states of one task.
 */
export function measureInsight(kit: Kit, before: NamedTensors, after: NamedTensors, inputs: tfjs.Tensor): NamedTensors {
  const { tf } = kit;
  const layers = layersOf(kit.modelParameters);
  const moved = Array.from(layers.values(), (names) => movementOf(tf, before, after, names));
  const measured = { [movement.name]: tf.stack(moved) };
  if (!kit.namesLayers) return measured;
  const [own, adapted] = [kit.outputsOfLayers(before, inputs), kit.outputsOfLayers(after, inputs)];
  const alike = Array.from(layers.keys(), (layer) => {
    if (own[layer]) return alignment(tf, own[layer], adapted[layer]!);
    const got = Object.keys(own).join(', ') || 'none';
    throw new MetatrainError(
      'REQUEST_INVALID',
      `the model names its layers, but not the output of ${layer} (it names ${got}); accepted: kit.layer('${layer}', …) in every pass`,
    );
  });
  return { ...measured, [similarity.name]: tf.stack(alike) };
}

/** ‖φ − θ‖ / ‖θ‖ over some tensors together; ‖φ‖ where θ is zero. */
export function movementOf(tf: Tf, before: NamedTensors, after: NamedTensors, names: readonly string[]): tfjs.Scalar {
  const lengthOf = (tensorOf: (name: string) => tfjs.Tensor) =>
    tf.sqrt(tf.addN(names.map((name) => tf.sum(tf.square(tensorOf(name))))));
  const start = lengthOf((name) => before[name]!);
  const way = lengthOf((name) => tf.sub(after[name]!, before[name]!));
  return tf.div(way, tf.where(tf.greater(start, 0), start, tf.onesLike(start))) as tfjs.Scalar;
}

/**
 * Linear CKA of outputs [examples, …] of the same examples. Where an output does not vary it is 1
 * if neither does, and else 0; where a number is not finite it is 0.
 */
export function alignment(tf: Tf, x: tfjs.Tensor, y: tfjs.Tensor): tfjs.Scalar {
  const [a, b] = [similarities(tf, x), similarities(tf, y)];
  const varies = tf.mul(a.varies, b.varies);
  const product = tf.sum(tf.mul(a.kernel, b.kernel));
  const neither = tf.mul(tf.sub(1, a.varies), tf.sub(1, b.varies));
  const value = tf.add(tf.mul(product, varies), neither);
  const isNumber = tf.greaterEqual(value, 0);
  return tf.minimum(tf.where(isNumber, value, tf.zerosLike(value)), 1) as tfjs.Scalar;
}

/** XXᵀ of column-centred outputs, of length 1, and whether they vary (1 or 0). */
function similarities(tf: Tf, x: tfjs.Tensor) {
  const rows = tf.reshape(x, [x.shape[0]!, -1]) as tfjs.Tensor2D;
  const centred = tf.sub(rows, tf.mean(rows, 0, true)) as tfjs.Tensor2D;
  // by its length first, so that no product leaves the range of float32
  const unit = tf.div(centred, positive(tf, tf.norm(centred))) as tfjs.Tensor2D;
  const kernel = tf.matMul(unit, unit, false, true);
  const length = tf.norm(kernel);
  return { kernel: tf.div(kernel, positive(tf, length)), varies: tf.cast(tf.notEqual(length, 0), 'float32') };
}

/** x, and 1 where it is 0. */
const positive = (tf: Tf, x: tfjs.Tensor): tfjs.Tensor => tf.where(tf.notEqual(x, 0), x, tf.onesLike(x));
