// One job as a compute thread runs it: what the rest of the worker asks of it, in typed arrays. `open.ts` makes one. Knows nothing of
// tensors, leases, threads or the network.
import type { ResolvedJob } from '../../learning/job.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import type { MeasureRows } from '../../shared/measures.ts';
import type { ParamsLayout } from '../../shared/tensor-codec.ts';

export interface InitialParams {
  readonly layout: ParamsLayout;
  /** θ₀, flat in layout order; a function of the spec's seed alone. */
  readonly metaParams: Float32Array;
  /** Data set, classes per split and the hash of its class lists: goes into the evaluation's protocol. */
  readonly splitDescription: string;
  /** True when a prediction for one query example may use the others (batch norm on the query batch). */
  readonly transductive: boolean;
}

export interface TrainShard {
  readonly metaStep: number;
  /** The shard is the tasks firstTask … firstTask + taskCount − 1 of the training split. */
  readonly firstTask: number;
  readonly taskCount: number;
  /** The numbers of its tasks, where they do not follow each other: the tasks of a sample. */
  readonly tasks?: readonly number[] | undefined;
  /** What the shard of this number carried out of the meta-step before, flat; absent in its first, and where nothing is carried. */
  readonly carry?: Float32Array | undefined;
}

export interface TrainShardResult {
  /** Sum over the shard's tasks, in task order, of their contributions to θ, usually meta-gradients; flat in layout order. */
  readonly metaGradientSum: Float32Array;
  /** What the sum counts for: the tasks that are in it. */
  readonly weight: number;
  /** The job's measures of training, one value a task. */
  readonly measures: readonly MeasureRows[];
  /**
   * Offsets of the tasks whose meta-gradient was not finite, or a measure that has no range. They are
   * not in the sum.
   */
  readonly nonFiniteTasks: readonly number[];
  /** For the shard of this number in the next meta-step, flat and finite; absent: what it had, it keeps. */
  readonly carry?: Float32Array | undefined;
}

export interface EvaluateShard {
  /** Meta-steps that θ has had. */
  readonly metaStep: number;
  readonly split: 'validation' | 'test';
  /**
   * Of an ensemble: the meta-steps that its members have had, in the order of their θ. Absent:
   * there is one θ.
   */
  readonly members?: readonly number[];
  readonly firstTask: number;
  readonly taskCount: number;
}

export interface EvaluateShardResult {
  /** The job's measures of an evaluation, or of an ensemble. */
  readonly measures: readonly MeasureRows[];
}

export interface JobProgram {
  readonly job: ResolvedJob;
  /** What its tasks are drawn from; empty where they need no data. */
  readonly data: readonly DataIdentity[];
  initialize(): InitialParams;
  /** @param metaParams θ, flat in layout order; not changed. */
  train(metaParams: Float32Array, shard: TrainShard): Promise<TrainShardResult>;
  /** The sum as it is sent, in the format that the job file asks for: a function of the two alone. */
  encode(metaGradientSum: Float32Array, shard: Pick<TrainShard, 'firstTask'>): Uint8Array;
  /** @param metaParams of an ensemble: those of its members, one after another. */
  evaluate(metaParams: Float32Array, shard: EvaluateShard): Promise<EvaluateShardResult>;
  /** Frees the compiled programs. May be called twice. */
  close(): Promise<void>;
}
