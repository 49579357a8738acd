// The `meta` section: the outer loop and its meta-optimizer.
import { z } from 'zod';
import { count, finite, fraction, positive } from './fields.ts';

const learningRate = positive.default(0.001);

/** Every schedule multiplies `learningRate`; t = meta-steps applied so far. */
export const scheduleSchema = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('constant') }),
  /** × factor at every `every` meta-steps. */
  z.strictObject({ name: z.literal('step'), every: count, factor: positive }),
  /** From 1 to `final` along half a cosine over the job's iterations. Loshchilov & Hutter 2017, equation 5. */
  z.strictObject({ name: z.literal('cosine'), final: finite.min(0).default(0) }),
  /** From 1 to `final` in a straight line over the job's iterations. */
  z.strictObject({ name: z.literal('linear'), final: finite.min(0).default(0) }),
]);

export const optimizerSchema = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('sgd'), learningRate, momentum: fraction.default(0) }),
  z.strictObject({
    name: z.literal('adam'),
    learningRate,
    beta1: fraction.default(0.9),
    beta2: fraction.default(0.999),
    epsilon: positive.default(1e-8),
  }),
  z.strictObject({
    name: z.literal('adamw'),
    learningRate,
    beta1: fraction.default(0.9),
    beta2: fraction.default(0.999),
    epsilon: positive.default(1e-8),
    weightDecay: finite.min(0).default(0.01),
  }),
]);

/** When a meta-batch is computed and applied. */
export const updateSchema = z.discriminatedUnion('mode', [
  /** Every shard of a meta-step is computed with the θ that it updates. The only mode that promises equal bytes. */
  z.strictObject({ mode: z.literal('sync') }),
  z.strictObject({
    mode: z.literal('async'),
    /** Meta-steps applied between the θ that a shard was computed with and the one that it updates, at most. */
    maxStaleness: z.int().min(1).max(64).default(2),
  }),
]);

export const metaSchema = z.strictObject({
  /** Meta-steps in all. */
  iterations: count,
  /** Tasks of one meta-batch. */
  batchSize: z.int().min(1).max(1_000_000).default(32),
  optimizer: optimizerSchema.default({ name: 'adam', learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }),
  schedule: scheduleSchema.default({ name: 'constant' }),
  update: updateSchema.default({ mode: 'sync' }),
  /** Largest global norm of the mean meta-gradient; absent means no clipping. */
  clipNorm: positive.optional(),
  /** A task whose meta-gradient has a NaN or Inf: `fail` the job, or `skip` the task and count it. A meta-step that leaves out
   * more than half of its tasks fails the job in any case. */
  onNonFinite: z.enum(['fail', 'skip']).default('fail'),
});

export type MetaSpec = z.infer<typeof metaSchema>;
export type OptimizerSpec = z.infer<typeof optimizerSchema>;
export type ScheduleSpec = z.infer<typeof scheduleSchema>;
