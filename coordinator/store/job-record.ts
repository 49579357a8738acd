// The stored form of a job: the record that GetJob shows and a restart reads, and the events that
// WatchJob replays. Plain data.
import type { JobStateName } from '../../shared/cluster-event.ts';
import type { Verdict } from '../../shared/comparison.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import { boundText, maxReasonBytes } from '../../shared/foreign-text.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import type { Measure, MeasureValue } from '../../shared/measures.ts';
import type { PluginIdentity } from '../../shared/plugin-identity.ts';
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

/** Of its job file. */
export const tagsOf = ({ spec }: Pick<JobRecord, 'spec'>): string[] => [...((JSON.parse(spec) as JobSpec).tags ?? [])];

export interface JobRecord {
  readonly jobId: string;
  /** Submission order within the state directory, from 1. */
  readonly order: number;
  readonly name: string;
  /** The job file as JSON with every default. */
  readonly spec: string;
  /**
   * Words that its parts and the published protocol supply. Stored, since the plugins may be gone
   * when they are read.
   */
  readonly words: JobWords;
  readonly publishedWords?: JobWords;
  /** Whose parts it uses; absent where there is none. */
  readonly plugins?: readonly PluginIdentity[];
  readonly submittedAt: number;
  /** Empty when there is none; absent in records of earlier versions. */
  readonly idempotencyKey?: string;
  /** Name of the token of the submission; absent if the coordinator ran without tokens. */
  readonly owner?: string;
  /** What the client changed in its job file, such as `meta.iterations=500`; absent if nothing. */
  readonly overrides?: readonly string[];
  state: JobStateName;
  /** Paused by the coordinator for want of disk room: a restart lets it go on. */
  waitsForRoom?: true;
  startedAt: number | undefined;
  endedAt: number | undefined;
  /** Meta-steps applied. */
  steps: number;
  readonly iterations: number;
  paramsSha256: string;
  /** In order. The newest is complete; earlier ones are thinned out: see `thinning.ts`. */
  evaluations: EvaluationRecord[];
  /**
   * With an ensemble: the best evaluations so far, the best first, with the value that ranks them.
   * Absent before the first.
   */
  best?: readonly RankedStep[];
  /** Of the last evaluation. Set once a job with a published figure has succeeded. */
  verdict?: Verdict;
  /** Checkpoints whose files are kept, oldest first. */
  checkpoints: CheckpointRecord[];
  error: JobFailureRecord | undefined;
  lastMetaStep: MetaStepRecord | undefined;
  engineFingerprint: string | undefined;
  hasMixedFingerprints: boolean;
  /** The data of the job's first result. Later results must use equal data. Absent before. */
  data?: readonly DataIdentity[];
  skippedTasks: number;
  /** The newest ones, at most `maxSkippedShards`; absent if there is none. */
  skippedShards?: SkippedShard[];
  /** Of the newest recorded meta-step, checkpointed or not; absent before the first. */
  chainHead?: ChainHead;
  /** From the worker that made θ₀. Every evaluation's protocol contains it. */
  splitDescription: string;
  isTransductive: boolean;
}

export interface JobFailureRecord {
  readonly code: ErrorCode;
  /** At most `maxReasonBytes` long. */
  readonly message: string;
}

/** The stored form of a failure. */
export const failureRecord = ({ code, message }: JobFailureRecord): JobFailureRecord => ({
  code,
  message: boundText(message, maxReasonBytes),
});

/** The hash chain over every θ up to and including the one of the meta-step; see `Training`. */
export interface ChainHead {
  readonly step: number;
  readonly sha256: string;
}

/** A training shard from which tasks were left out because their meta-gradients were not finite. */
export interface SkippedShard {
  readonly metaStep: number;
  readonly shard: number;
  /** Number of tasks left out. `tasks` names the first of them. */
  readonly count: number;
  /** At most `maxNamedTasks`. */
  readonly tasks: readonly number[];
}

export const maxSkippedShards = 200;
export const maxNamedTasks = 100;

export interface RankedStep {
  readonly step: number;
  readonly value: number;
}

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
    /** Of an ensemble: the meta-steps of the checkpoints that predicted together. */
    readonly ensemble?: readonly number[];
  };
  readonly measures: readonly Measure[];
  /** Tasks with a value that is not finite. Measures without a range leave them out. */
  readonly divergedTasks: number;
}

export interface CheckpointRecord {
  readonly step: number;
  readonly sha256: string;
  readonly bytes: number;
  readonly paramsSha256: string;
  /** `evaluated`: its evaluation may be among the best, which are then tested together. */
  readonly purpose: 'scheduled' | 'final' | 'evaluated' | 'recovery';
}

/** The checkpoints that clients see. Recovery checkpoints may be removed within a minute. */
export const askedFor = ({ checkpoints }: Pick<JobRecord, 'checkpoints'>): CheckpointRecord[] =>
  checkpoints.filter(({ purpose }) => purpose !== 'recovery');

export interface MetaStepRecord {
  readonly step: number;
  readonly iterations: number;
  readonly measures: readonly MeasureValue[];
  readonly metaGradientNorm: number;
  /** Both absent if they cannot be computed: see `task-gradients.ts`. */
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

/** The body with its texts shortened, so that every event fits a message of gRPC, HTTP and NATS. */
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
