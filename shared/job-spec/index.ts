// A checked job file as everything but the parts sees it: which part each section names, and the sections
// that no part has a say in. The schema itself is put together from the parts, in `learning/job-file.ts`.
import { z } from 'zod';
import type { EvaluationSpec } from './evaluation.ts';
import type { MetaSpec } from './meta.ts';
import type { PublishedSpec } from './published.ts';
import type { AlgorithmSection, ModelSection, ObjectiveSection, TaskSection } from './sections.ts';

export const checkpointSchema = z.strictObject({
  /** Write a checkpoint every so many meta-steps; 0 means only at the end. */
  every: z.int().min(0).default(0),
  /** Newest checkpoints that are kept. */
  keep: z.int().min(1).max(1000).default(3),
});

/** Bytes of a job file, at most. */
export const maxSpecBytes = 65_536;

/** Tasks of a shard: their measures travel in one message, which then takes about 1 MiB. */
export const maxShardTasks = 65_536;

export const placementSchema = z.strictObject({
  /** Tasks of one shard: the unit that is leased to a worker. Part of the result's identity, so never derived from the cluster. */
  shardSize: z.int().min(1).max(maxShardTasks).optional(),
  /** Only workers that offer this engine on this device compute the job. */
  engine: z.enum(['compiled', 'eager']).default('compiled'),
  device: z.enum(['cpu', 'webgpu', 'cuda']).default('cpu'),
  /** Lets workers of other engine fingerprints take part (still with this engine and device); equal bytes are then not promised. */
  mixed: z.boolean().default(false),
  /** A job of a higher priority gets every slot that falls free before those of a lower one; jobs of the same share them. */
  priority: z.enum(['low', 'normal', 'high']).default('normal'),
});

type PlacementSpec = z.infer<typeof placementSchema>;

/** A checked job file with every default filled in. Plain JSON; parsing its JSON gives an equal one. */
export interface JobSpec {
  readonly name: string;
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
