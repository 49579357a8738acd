// Batch norm of a convolutional network, with its choice of statistics: x ↦ scale · (x − mean) /
// √(variance + ε) + shift, per channel (Ioffe & Szegedy 2015, algorithm 1). In a model's
// parameters, `NAME.scale` and `NAME.shift` are learned; `NAME.mean` and `NAME.variance`, where
// they are there, are what it normalises with instead of those of the batch itself.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import type { BuiltModel, NamedTensors } from '../built.ts';
import type { CelFacts } from '../cel.ts';
import type { Parameter, TaskFacts } from '../facts.ts';
import { ones, zeros } from './initializers.ts';
import type { Tf } from './tools.ts';

/** The default of `tf.contrib.layers.batch_norm`, which MAML's code calls. */
const epsilon = 0.001;

/** How far a meta-step moves the running statistics: PyTorch's default. */
const momentum = 0.1;

/**
 * Whose mean and variance batch norm takes. `batch`: those of the examples that are predicted
 * together. `support`: those of the task's support set, which are part of what adaptation gives.
 * `running`: in training those of the batch, which move running averages in θ; in evaluation and
 * predictions these averages, in every inner step too. With `support` and `running` no prediction
 * depends on other query examples.
 */
export const batchNormField = z.enum(['batch', 'support', 'running']).default('batch');

export type BatchNormStatistics = z.infer<typeof batchNormField>;

/** What tasks must have. The examples of a sequence come one by one, and so have no statistics. */
export function batchNormNeeds(statistics: BatchNormStatistics, { sets }: Pick<TaskFacts, 'sets'>): string | undefined {
  if (sets.includes('stream')) return 'no sequences, whose examples come one by one';
  return statistics === 'batch' || sets.includes('support')
    ? undefined
    : `tasks with a support set, for model.batchNorm ${statistics}`;
}

/** `batchNormNeeds` as a condition. */
export function batchNormCel(statistics: string, { sets, isStream }: CelFacts): string {
  if (!sets.includes('support')) return `${statistics} == 'batch'`;
  return isStream ? `!${isStream}` : 'true';
}

/** For a protocol card. */
export const batchNormWords = (statistics: BatchNormStatistics | null | undefined): string => {
  switch (statistics) {
    case 'support':
      return 'statistics of the support set';
    case 'running':
      return 'running statistics';
    default:
      return '';
  }
};

export const scaleAndShift = (name: string, channels: number, hasScale = true): readonly Parameter[] => [
  ...(hasScale ? [{ name: `${name}.scale`, shape: [channels], initialize: ones, isNormalization: true }] : []),
  { name: `${name}.shift`, shape: [channels], initialize: zeros, isNormalization: true },
];

/** In θ where the model's statistics are running ones: mean 0 and variance 1 at first. */
export const runningStatistics = (
  statistics: BatchNormStatistics,
  norms: readonly (readonly [name: string, channels: number])[],
): readonly Parameter[] =>
  statistics === 'running'
    ? norms.flatMap(([name, channels]) => [
        { name: `${name}.mean`, shape: [channels], initialize: zeros, update: 'average' as const },
        { name: `${name}.variance`, shape: [channels], initialize: ones, update: 'average' as const },
      ])
    : [];

/** A norm's statistics by name, and how many numbers of a channel they were taken over. */
export type TakenStatistics = Record<
  string,
  { readonly mean: tfjs.Tensor; readonly variance: tfjs.Tensor; readonly count: number }
>;

/**
 * Normalises over all axes but the last, and notes in `taken` with what. @param x [examples,
 * height, width, channels]
 */
export function batchNorm(
  tf: Tf,
  params: NamedTensors,
  name: string,
  x: tfjs.Tensor4D,
  taken: TakenStatistics,
): tfjs.Tensor4D {
  const { [`${name}.scale`]: scale, [`${name}.shift`]: shift } = params;
  const mean = params[`${name}.mean`] ?? tf.mean(x, [0, 1, 2]);
  const centred = tf.sub(x, mean);
  const variance = params[`${name}.variance`] ?? tf.mean(tf.square(centred), [0, 1, 2]);
  const normalizer = tf.rsqrt(tf.add(variance, epsilon));
  const gain = scale ? tf.mul(scale, normalizer) : normalizer;
  taken[name] = { mean, variance, count: x.size / x.shape[3] };
  return tf.add(tf.mul(centred, gain), shift!);
}

/** A model's hooks for its statistics. @param takenBy what its norms take for the inputs. */
export function statisticsHooks(
  tf: Tf,
  statistics: BatchNormStatistics,
  takenBy: (params: NamedTensors, inputs: tfjs.Tensor) => TakenStatistics,
): Pick<BuiltModel, 'statistics' | 'running'> {
  const named = (
    taken: TakenStatistics,
    of: (name: string, now: TakenStatistics[string]) => NamedTensors,
  ): NamedTensors => Object.assign({}, ...Object.entries(taken).map(([name, now]) => of(name, now)));
  switch (statistics) {
    case 'batch':
      return {};
    case 'support':
      return {
        statistics: (params, inputs) =>
          named(takenBy(params, inputs), (name, { mean, variance }) => ({
            [`${name}.mean`]: mean,
            [`${name}.variance`]: variance,
          })),
      };
    case 'running': {
      const moved = (before: tfjs.Tensor, now: tfjs.Tensor) =>
        tf.add(tf.mul(before, 1 - momentum), tf.mul(now, momentum));
      return {
        // the variance without its bias, as PyTorch keeps it
        running: (params, inputs, before) =>
          named(takenBy(params, inputs), (name, { mean, variance, count }) => ({
            [`${name}.mean`]: moved(before[`${name}.mean`]!, mean),
            [`${name}.variance`]: moved(before[`${name}.variance`]!, tf.mul(variance, count / Math.max(1, count - 1))),
          })),
      };
    }
    default:
      return statistics satisfies never;
  }
}
