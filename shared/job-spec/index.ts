// The type of a checked job file for all code outside the parts: the name of each section's part,
// and the sections without a part. `learning/job-file.ts` assembles the schema from the parts.
import { z } from 'zod';
import type { EvaluationSpec } from './evaluation.ts';
import type { MetaSpec } from './meta.ts';
import type { PublishedSpec } from './published.ts';
import type { AlgorithmSection, ModelSection, ObjectiveSection, TaskSection } from './sections.ts';

export const checkpointSchema = z.strictObject({
  /** Write a checkpoint every so many meta-steps; 0 means only at the end. */
  every: z.int().min(0).default(0),
  /** How many checkpoints are kept, newest first. */
  keep: z.int().min(1).max(1000).default(3),
});

/** Most bytes of a job file. */
export const maxSpecBytes = 65_536;

/** Most tasks of a shard: their measures travel in one message, which then takes about 1 MiB. */
export const maxShardTasks = 65_536;

export const placementSchema = z.strictObject({
  /**
   * Tasks of one shard, the unit that is leased to a worker. Part of the result's identity, so it
   * is never derived from the size of the cluster.
   */
  shardSize: z.int().min(1).max(maxShardTasks).optional(),
  /** Only workers that offer this engine on this device compute the job. */
  engine: z.enum(['compiled', 'eager']).default('compiled'),
  device: z.enum(['cpu', 'webgpu', 'cuda']).default('cpu'),
  /**
   * Also admits workers of other engine fingerprints with this engine and device. Equal bytes are
   * then not guaranteed.
   */
  mixed: z.boolean().default(false),
  /**
   * Jobs of a higher priority get free slots before jobs of a lower one. Jobs of equal priority
   * share the slots.
   */
  priority: z.enum(['low', 'normal', 'high']).default('normal'),
  /**
   * How a worker sends a shard's sum: `float16` takes half of the bytes and `int8` a quarter. Part
   * of the result's identity, since the numbers are rounded.
   */
  results: z.enum(['float32', 'float16', 'int8']).default('float32'),
  /**
   * Whether several whole meta-steps at a time may be leased to one worker. `auto`: where that
   * measures faster than sharing them among workers. `always`: wherever the job can have them. Changes
   * no byte of a result.
   */
  spans: z.enum(['auto', 'never', 'always']).default('auto'),
});

type PlacementSpec = z.infer<typeof placementSchema>;

/**
 * A checked job file with every default filled in. Plain JSON: parsing its JSON gives an equal
 * object.
 */
export interface JobSpec {
  readonly name: string;
  /** For finding jobs; they change nothing that is computed. */
  readonly tags?: readonly string[] | undefined;
  readonly seed: number;
  readonly task: TaskSection;
  readonly model: ModelSection;
  readonly algorithm: AlgorithmSection;
  readonly objective: ObjectiveSection;
  readonly meta: MetaSpec;
  readonly evaluation: EvaluationSpec;
  readonly checkpoint: z.infer<typeof checkpointSchema>;
  readonly placement: PlacementSpec & { readonly shardSize: number };
  readonly published?: PublishedSpec | undefined;
}

export type { EvaluationSpec } from './evaluation.ts';
export type { MetaSpec } from './meta.ts';
export type { PublishedSpec, StatedProtocol } from './published.ts';
