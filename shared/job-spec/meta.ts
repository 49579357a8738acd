// The `meta` section: the outer loop and its meta-optimizer.
import { z } from 'zod';
import { count, finite, positive } from './fields.ts';
import { inKeywords } from './keywords.ts';

/** The rate of a meta-optimizer; the schedule multiplies it. */
export const learningRate = positive.default(0.001);

/** Every schedule multiplies `learningRate`; t = meta-steps applied so far. */
export const scheduleSchema = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('constant') }),
  /** Multiplies by `factor` every `every` meta-steps. */
  z.strictObject({ name: z.literal('step'), every: count, factor: positive }),
  /**
   * From 1 to `final` along half a cosine over the job's iterations. Loshchilov & Hutter 2017,
   * equation 5.
   */
  z.strictObject({ name: z.literal('cosine'), final: finite.min(0).default(0) }),
  /** From 1 to `final` in a straight line over the job's iterations. */
  z.strictObject({ name: z.literal('linear'), final: finite.min(0).default(0) }),
]);

/** When a meta-batch is computed and applied. */
export const updateSchema = z.discriminatedUnion('mode', [
  /**
   * Every shard of a meta-step is computed with the θ that it updates. The only mode that promises
   * equal bytes.
   */
  z.strictObject({ mode: z.literal('sync') }),
  z.strictObject({
    mode: z.literal('async'),
    /** Most meta-steps that may be applied between a shard's θ and the θ that the shard updates. */
    maxStaleness: z.int().min(1).max(64).default(2),
  }),
]);

/** How the contributions of a meta-batch's shards become one. */
export const aggregationSchema = z.discriminatedUnion('name', [
  /** The mean over the tasks. */
  z.strictObject({ name: z.literal('mean') }),
  /** Of each coordinate, the median of the shards' means (Yin et al. 2018, definition 1). */
  z.strictObject({ name: z.literal('median') }),
  /** Of each coordinate, the mean of the shards' means without the extremes (definition 2 there). */
  z.strictObject({
    name: z.literal('trimmed-mean'),
    /** Share of the shards that is left out at each end, rounded down to whole shards. */
    trim: z.number().positive().lt(0.5).default(0.1),
  }),
]);

/**
 * Differential privacy for tasks: each contribution is clipped, and the coordinator adds Gaussian
 * noise from a secret of its own (Abadi et al. 2016, algorithm 1, with tasks for examples).
 */
const privacySchema = z.strictObject({
  /** Largest norm of one task's contribution: C. A longer one is scaled down to it. */
  taskClipNorm: positive,
  /** The noise on the sum of a meta-batch has the standard deviation noiseMultiplier · taskClipNorm. */
  noiseMultiplier: z.number().min(0.1).max(1_000),
  /** The δ at which ε is told. */
  delta: z.number().positive().lt(1).default(1e-5),
  /**
   * Tasks of the training split that there are. Each is in a meta-batch with probability
   * batchSize / pool, by a draw that stays secret. Absent: every meta-step has new tasks, and each
   * task takes part once.
   */
  pool: z.int().min(1).max(100_000_000).optional(),
});

const maxGroups = 64;
const areFewGroups = inKeywords((groups: object) => Object.keys(groups).length <= maxGroups, {
  maxProperties: maxGroups,
});

/** What a group of parameters has of its own; see a part's `Parameter.group`. */
const groupSchema = z.strictObject({
  /** Instead of the meta-optimizer's; the schedule multiplies it too. */
  learningRate: positive.optional(),
  /** Largest norm of the group's own mean meta-gradient. `meta.clipNorm` is then that of the others. */
  clipNorm: positive.optional(),
});

/** @param optimizer the schemas of all meta-optimizers, each with a name and a learning rate. */
export const metaSchemaOf = <Optimizer extends z.ZodType>(optimizer: Optimizer) =>
  z.strictObject({
    /** Number of meta-steps. */
    iterations: count,
    /** Tasks of one meta-batch. */
    batchSize: z.int().min(1).max(1_000_000).default(32),
    optimizer,
    schedule: scheduleSchema.default({ name: 'constant' }),
    update: updateSchema.default({ mode: 'sync' }),
    aggregation: aggregationSchema.default({ name: 'mean' }),
    privacy: privacySchema.optional(),
    /** Largest global norm of the mean meta-gradient; absent: no clipping. */
    clipNorm: positive.optional(),
    /** By the name of a group of parameters. */
    groups: z
      .record(z.string().min(1).max(40), groupSchema)
      .refine(areFewGroups, `at most ${maxGroups} groups`)
      .optional(),
    /**
     * What to do with a task whose meta-gradient has a NaN or Inf: `fail` the job, or `skip` the
     * task and count it. A meta-step that leaves out more than half of its tasks fails the job in
     * any case.
     */
    onNonFinite: z.enum(['fail', 'skip']).default('fail'),
  });

/** The section of a meta-optimizer. Its part defines the other fields. */
export type OptimizerSection = { readonly name: string; readonly learningRate: number } & {
  readonly [field: string]: unknown;
};

export type MetaSpec = Omit<z.infer<ReturnType<typeof metaSchemaOf>>, 'optimizer'> & {
  readonly optimizer: OptimizerSection;
};
export type AggregationSpec = z.infer<typeof aggregationSchema>;
export type ScheduleSpec = z.infer<typeof scheduleSchema>;
