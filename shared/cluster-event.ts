// Events of a cluster for its readers: CloudEvents 1.0 in JSON, equal on NATS, over WatchEvents and
// on the console. The data of the job events suffices to rebuild the table of jobs. Types and names
// only; docs/events.md explains each. Invariant: within v1 fields are added, never changed or
// removed.
import type { Measure, MeasureValue } from './measures.ts';

export type JobStateName = 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';

interface OfJob {
  readonly jobId: string;
  /**
   * WatchJob's number: from 1 within the job, with gaps only where old summaries of meta-steps were
   * dropped.
   */
  readonly jobSequence: number;
}

interface OfWorker {
  readonly workerId: string;
}

export interface JobStateData extends OfJob {
  readonly name: string;
  readonly state: JobStateName;
  /** The cause, in words. */
  readonly reason: string;
  /** Only of a job that failed. */
  readonly error?: { readonly code: string; readonly message: string };
  /** Meta-steps applied, of `iterations`. */
  readonly steps: number;
  readonly iterations: number;
  /** SHA-256 (hex) of θ after `steps`; empty before θ₀. */
  readonly paramsSha256: string;
  readonly submittedAt: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** Meta-steps whose checkpoints are kept at that time. */
  readonly checkpoints: readonly number[];
  /** The job file as JSON with every default; only in the job's first event. */
  readonly spec?: string;
}

/**
 * What happened since the last summary. Summaries come a few times a second, not once a meta-step.
 */
export interface MetaStepsData extends OfJob {
  /** Meta-steps applied so far. */
  readonly step: number;
  readonly iterations: number;
  /** Means over the last meta-batch, after adaptation. Training minimises the first. */
  readonly measures: readonly MeasureValue[];
  /** Before clipping. */
  readonly metaGradientNorm: number;
  /**
   * How much the tasks of the last meta-batch agree: trace of the covariance of their gradients,
   * and mean cosine between two of them, −1 to 1.
   */
  readonly taskGradientVariance?: number;
  readonly taskGradientCosine?: number;
  readonly tasksPerSecond: number;
  readonly metaStepsPerSecond: number;
  readonly learningRate: number;
  readonly etaSeconds: number;
}

export interface EvaluationData extends OfJob {
  /** Meta-steps applied at the time of the evaluation. */
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
    /**
     * Of an ensemble: the meta-steps of the checkpoints that predicted together. Absent: one θ was tested.
     */
    readonly ensemble?: readonly number[];
  };
  /** At most 8. Training minimises the first. */
  readonly measures: readonly Measure[];
  /** Tasks with a value that is not finite. Measures whose values have no range leave them out. */
  readonly divergedTasks: number;
}

export interface CheckpointData extends OfJob {
  readonly step: number;
  readonly sha256: string;
  readonly bytes: number;
  readonly paramsSha256: string;
  /**
   * Meta-steps whose checkpoints are kept at that time, this one included. The files of others are
   * removed.
   */
  readonly checkpoints: readonly number[];
}

export interface ShardRetriedData extends OfJob {
  readonly metaStep: number;
  readonly shard: number;
  /** The worker that failed. */
  readonly workerId: string;
  readonly reason: string;
}

export interface WorkerConnectedData extends OfWorker {
  readonly address: string;
  /** `compiled` or `eager`. */
  readonly engine: string;
  readonly device: {
    readonly kind: string;
    readonly name: string;
    readonly memoryBytes: number;
    readonly driver: string;
  };
  readonly engineFingerprint: string;
  readonly slots: number;
  readonly version: string;
}

export interface WorkerReasonData extends OfWorker {
  readonly reason: string;
}

export interface WorkerQuarantinedData extends WorkerReasonData {
  readonly coolDownMs: number;
}

/** The data of each event, by the event's name. */
export interface EventData {
  readonly 'job.state_changed': JobStateData;
  readonly 'job.meta_steps_applied': MetaStepsData;
  readonly 'job.evaluated': EvaluationData;
  readonly 'job.checkpoint_written': CheckpointData;
  readonly 'job.shard_retried': ShardRetriedData;
  readonly 'worker.connected': WorkerConnectedData;
  readonly 'worker.disconnected': WorkerReasonData;
  readonly 'worker.drain_started': WorkerReasonData;
  readonly 'worker.quarantined': WorkerQuarantinedData;
  readonly 'worker.let_back': WorkerReasonData;
}

export type EventName = keyof EventData;

interface Envelope<Name extends EventName> {
  readonly specversion: '1.0';
  /** Unique among all events of all clusters. An event that is sent again keeps its id. */
  readonly id: string;
  /** `/metatrain/clusters/ID`: identifies the coordinator's state directory, at any address. */
  readonly source: string;
  readonly type: `metatrain.v1.${Name}`;
  /** The job's or the worker's id. */
  readonly subject: string;
  /** RFC 3339, UTC, to the millisecond. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /**
   * Order within the source: the number that `sequenceOf` returns, with leading zeros, so that
   * texts sort as numbers do.
   */
  readonly sequence: string;
  readonly data: EventData[Name];
}

export type ClusterEvent = { [Name in EventName]: Envelope<Name> }[EventName];

const sequenceDigits = 16;

export const sequenceText = (sequence: number): string => String(sequence).padStart(sequenceDigits, '0');

/** Grows with every event of a cluster, with gaps where old events were dropped. */
export const sequenceOf = ({ sequence }: ClusterEvent): number => Number(sequence);

/** The event's name, such as `job.state_changed`. */
export const nameOf = ({ type }: ClusterEvent): EventName => type.slice('metatrain.v1.'.length) as EventName;
