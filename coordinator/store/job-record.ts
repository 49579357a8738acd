// What is kept of a job: the record that GetJob shows and a restart begins from, and the events that WatchJob replays. Plain data.
import type { JobStateName } from '../../shared/cluster-event.ts';
import type { Verdict } from '../../shared/comparison.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import { boundText, maxReasonBytes } from '../../shared/foreign-text.ts';
import type { Measure, MeasureValue } from '../../shared/measures.ts';
import type { JobWords } from '../../shared/protocol.ts';

export type { JobStateName };

export const jobStateNames = [
  'queued',
  'running',
  'paused',
  'succeeded',
  'failed',
  'cancelled',
] as const satisfies readonly JobStateName[];

export const hasEnded = (state: JobStateName): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'cancelled';

export interface JobRecord {
  readonly jobId: string;
  /** Submission order within the state directory, from 1. */
  readonly order: number;
  readonly name: string;
  /** The job file as JSON with every default. */
  readonly spec: string;
  /** What its parts say of themselves, and of the published protocol; the plugins may be gone when it is read. */
  readonly words: JobWords;
  readonly publishedWords?: JobWords;
  readonly submittedAt: number;
  /** Empty, or absent in a record of an earlier version, when there is none. */
  readonly idempotencyKey?: string;
  /** Name of the token with which it was submitted; absent where the coordinator asked for none. */
  readonly owner?: string;
  /**
   * What the client changed of its job file, such as `meta.iterations=500`; absent where it changed
   * nothing.
   */
  readonly overrides?: readonly string[];
  state: JobStateName;
  /** Paused by itself, for want of room on the disk: a restart lets it go on. */
  waitsForRoom?: true;
  startedAt: number | undefined;
  endedAt: number | undefined;
  /** Meta-steps applied. */
  steps: number;
  readonly iterations: number;
  paramsSha256: string;
  /** In order; the newest is whole, earlier ones are thinned out: see `thinning.ts`. */
  evaluations: EvaluationRecord[];
  /** Of the last evaluation; set once a job with a published figure has succeeded. */
  verdict?: Verdict;
  /** Those whose files are kept, oldest first. */
  checkpoints: CheckpointRecord[];
  error: JobFailureRecord | undefined;
  lastMetaStep: MetaStepRecord | undefined;
  engineFingerprint: string | undefined;
  hasMixedFingerprints: boolean;
  /** The data of its first result, to which the job keeps; absent before. */
  data?: readonly DataIdentity[];
  skippedTasks: number;
  /** The newest ones, at most `maxSkippedShards`; absent where there is none. */
  skippedShards?: SkippedShard[];
  /** Of the newest meta-step that is on record, checkpointed or not; absent before the first. */
  chainHead?: ChainHead;
  /** From the worker that made θ₀: goes into every evaluation's protocol. */
  splitDescription: string;
  isTransductive: boolean;
}

export interface JobFailureRecord {
  readonly code: ErrorCode;
  /** At most `maxReasonBytes`. */
  readonly message: string;
}

/** What a record keeps of a failure. */
export const failureRecord = ({ code, message }: JobFailureRecord): JobFailureRecord => ({
  code,
  message: boundText(message, maxReasonBytes),
});

/** The chain over every θ up to and including that of the meta-step; see `Training`. */
export interface ChainHead {
  readonly step: number;
  readonly sha256: string;
}

/** A training shard of which tasks were left out, since their meta-gradients were not finite. */
export interface SkippedShard {
  readonly metaStep: number;
  readonly shard: number;
  /** How many; of them the first are named in `tasks`. */
  readonly count: number;
  /** At most `maxNamedTasks`. */
  readonly tasks: readonly number[];
}

export const maxSkippedShards = 200;
export const maxNamedTasks = 100;

export interface EvaluationRecord {
  readonly step: number;
  readonly protocol: {
    readonly distribution: string;
    readonly split: string;
    readonly tasks: number;
    readonly ways: number;
    readonly shots: number;
    readonly queries: number;
    readonly transductive: boolean;
    readonly splitDescription: string;
  };
  readonly measures: readonly Measure[];
  /** Tasks of which some value was not finite. Measures without a range leave them out. */
  readonly divergedTasks: number;
}

export interface CheckpointRecord {
  readonly step: number;
  readonly sha256: string;
  readonly bytes: number;
  readonly paramsSha256: string;
  readonly purpose: 'scheduled' | 'final' | 'recovery';
}

/** The checkpoints that clients see: recovery ones may be gone in a minute. */
export const askedFor = ({ checkpoints }: Pick<JobRecord, 'checkpoints'>): CheckpointRecord[] =>
  checkpoints.filter(({ purpose }) => purpose !== 'recovery');

export interface MetaStepRecord {
  readonly step: number;
  readonly iterations: number;
  readonly measures: readonly MeasureValue[];
  readonly metaGradientNorm: number;
  /** Both absent where they cannot be told: see `task-gradients.ts`. */
  readonly taskGradientVariance?: number;
  readonly taskGradientCosine?: number;
  readonly tasksPerSecond: number;
  readonly metaStepsPerSecond: number;
  readonly learningRate: number;
  readonly etaSeconds: number;
}

export type JobEventBody =
  | {
      readonly kind: 'stateChanged';
      readonly state: JobStateName;
      readonly reason: string;
      readonly error?: JobFailureRecord;
    }
  | { readonly kind: 'metaStep'; readonly summary: MetaStepRecord }
  | { readonly kind: 'evaluated'; readonly evaluation: EvaluationRecord }
  | { readonly kind: 'checkpointWritten'; readonly checkpoint: CheckpointRecord }
  | {
      readonly kind: 'shardRetried';
      readonly metaStep: number;
      readonly shard: number;
      readonly workerId: string;
      readonly reason: string;
    };

export interface JobEventRecord {
  readonly sequence: number;
  readonly at: number;
  readonly body: JobEventBody;
}

/** The body with its texts bounded, so that every event fits a message of gRPC, HTTP and NATS. */
export function boundBody(body: JobEventBody): JobEventBody {
  switch (body.kind) {
    case 'stateChanged': {
      const { reason, error } = body;
      return { ...body, reason: boundText(reason, maxReasonBytes), ...(error && { error: failureRecord(error) }) };
    }
    case 'shardRetried':
      return { ...body, reason: boundText(body.reason, maxReasonBytes) };
    case 'metaStep':
    case 'evaluated':
    case 'checkpointWritten':
      return body;
    default:
      return body satisfies never;
  }
}
