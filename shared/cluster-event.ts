// What happened in a cluster, as everybody is told of it: CloudEvents 1.0 in JSON, the same on NATS, over WatchEvents, on the console. The
// data of the job events is enough to rebuild the table of jobs from nothing else. Types and names only; docs/events.md explains each.
// Invariant: within v1 fields are added, never changed or taken away.
import type { Measure, MeasureValue } from './measures.ts';

export type JobStateName = 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';

interface OfJob {
  readonly jobId: string;
  /** As WatchJob numbers it: from 1 within the job, gaps only where old summaries of meta-steps were dropped. */
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
  /** Of a job that failed. */
  readonly error?: { readonly code: string; readonly message: string };
  /** Meta-steps applied, of `iterations`. */
  readonly steps: number;
  readonly iterations: number;
  /** SHA-256 (hex) of θ after `steps`; empty before θ₀. */
  readonly paramsSha256: string;
  readonly submittedAt: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** Meta-steps whose checkpoints are kept now. */
  readonly checkpoints: readonly number[];
  /** The job file as JSON with every default: in the job's first event only. */
  readonly spec?: string;
}

/** What happened since the summary before; summaries come a few times a second, not one a meta-step. */
export interface MetaStepsData extends OfJob {
  /** Meta-steps applied so far. */
  readonly step: number;
  readonly iterations: number;
  /** Means over the last meta-batch, after adaptation. The first is what training minimises. */
  readonly measures: readonly MeasureValue[];
  /** Before clipping. */
  readonly metaGradientNorm: number;
  /** How much the tasks of the last meta-batch agree: trace of their gradients' covariance, and mean cosine between two, −1 to 1. */
  readonly taskGradientVariance?: number;
  readonly taskGradientCosine?: number;
  readonly tasksPerSecond: number;
  readonly metaStepsPerSecond: number;
  readonly learningRate: number;
  readonly etaSeconds: number;
}

export interface EvaluationData extends OfJob {
  /** Meta-steps applied when it was measured. */
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
  /** At most 8. The first is what training minimises. */
  readonly measures: readonly Measure[];
  /** Tasks of which some value was not finite. Measures whose values have no range leave them out. */
  readonly divergedTasks: number;
}

export interface CheckpointData extends OfJob {
  readonly step: number;
  readonly sha256: string;
  readonly bytes: number;
  readonly paramsSha256: string;
  /** Meta-steps whose checkpoints are kept now, this one among them: the others' files are gone. */
  readonly checkpoints: readonly number[];
}

export interface ShardRetriedData extends OfJob {
  readonly metaStep: number;
  readonly shard: number;
  /** Who failed. */
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

/** What an event's data holds, by the event's name. */
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
  /** Unique among all events of all clusters, and the same whenever this event is told again. */
  readonly id: string;
  /** `/metatrain/clusters/ID`: the state directory that the coordinator keeps, whatever its address is. */
  readonly source: string;
  readonly type: `metatrain.v1.${Name}`;
  /** The job's or the worker's id. */
  readonly subject: string;
  /** RFC 3339, UTC, to the millisecond. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /** Order within the source: the whole number of `sequenceOf`, with zeros before it, so that texts sort as numbers do. */
  readonly sequence: string;
  readonly data: EventData[Name];
}

export type ClusterEvent = { [Name in EventName]: Envelope<Name> }[EventName];

const sequenceDigits = 16;

export const sequenceText = (sequence: number): string => String(sequence).padStart(sequenceDigits, '0');

/** Grows with every event of a cluster; gaps where old events were dropped. */
export const sequenceOf = ({ sequence }: ClusterEvent): number => Number(sequence);

/** The event's name, such as `job.state_changed`. */
export const nameOf = ({ type }: ClusterEvent): EventName => type.slice('metatrain.v1.'.length) as EventName;
