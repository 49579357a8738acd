// What the runner reports: the log, a job's story, worker events, metrics and traces subscribe to
// it by name. Observers decide nothing. What they are handed is the runner's own and is read, never
// kept or changed. A write that a decision depends on (a record, a checkpoint) is not left to an
// observer: `runner/job-effects.ts` does it.
import type { ResolvedJob } from '../../learning/job.ts';
import type { AppliedMetaStep } from '../../learning/outer-loop/training.ts';
import type { ObserverOf } from '../../shared/observers.ts';
import type { JobFailure, LeaseCancellation, LeaseLoss } from '../core/effect.ts';
import type { Lease, RequestPlan, WorkKind } from '../core/state.ts';
import type {
  CheckpointRecord,
  EvaluationRecord,
  JobRecord,
  JobStateName,
  MetaStepRecord,
} from '../store/job-record.ts';
import type { WorkerLink } from '../workers/worker-link.ts';

interface Happenings {
  readonly jobOpened: { readonly record: JobRecord; readonly job: ResolvedJob; readonly isRestored: boolean };
  readonly jobStateChanged: {
    readonly record: JobRecord;
    readonly state: JobStateName;
    readonly reason: string;
    readonly failure?: JobFailure;
  };
  /** After a restart, the job could not be taken up again; it has failed. */
  readonly jobGivenUp: { readonly record: JobRecord; readonly failure: JobFailure };
  /** The job waits for workers, or goes on. */
  readonly jobWaits: { readonly record: JobRecord; readonly reason: string };
  readonly workerConnected: { readonly link: WorkerLink };
  readonly workerDisconnected: { readonly link: WorkerLink; readonly reason: string };
  readonly workerDraining: { readonly link: WorkerLink; readonly reason: string };
  /** After connecting again, the worker still holds so many results. */
  readonly resultsOffered: { readonly link: WorkerLink; readonly results: number };
  readonly workerQuarantined: { readonly workerId: string; readonly coolDownMs: number; readonly reason: string };
  /** A quarantined worker is trusted again. */
  readonly workerLetBack: { readonly workerId: string; readonly reason: string };
  /**
   * `payloadBytes` of θ were sent to the worker with the lease: 0 if the worker had that version.
   */
  readonly leaseGranted: { readonly lease: Lease; readonly deadlineMs: number; readonly payloadBytes: number };
  readonly leaseCancelled: { readonly lease: Lease; readonly cause: LeaseCancellation; readonly reason: string };
  /** The result counts. It took `keepMs` to add it to its sum, or to keep it. */
  readonly resultKept: {
    readonly lease: Lease;
    readonly computeMs: number;
    readonly payloadBytes: number;
    readonly keepMs: number;
  };
  /** A correct result that does not count: it was late, or another result came first. */
  readonly resultDropped: { readonly workerId: string; readonly leaseId: string; readonly reason: string };
  /** A result with impossible contents. */
  readonly resultRejected: { readonly lease: Lease; readonly code: string; readonly reason: string };
  /** The worker could not compute the shard. `lease` is undefined if it has ended. */
  readonly shardFailed: {
    readonly workerId: string;
    readonly leaseId: string;
    readonly lease: Lease | undefined;
    readonly code: string;
    readonly reason: string;
  };
  /** The lease has ended, and its shard goes to another worker. */
  readonly shardRetried: {
    readonly record: JobRecord;
    readonly lease: Lease;
    readonly cause: LeaseLoss;
    readonly reason: string;
  };
  /** A request's lease has ended, and the request goes to another worker. */
  readonly requestRetried: {
    readonly plan: RequestPlan;
    readonly workerId: string;
    readonly cause: LeaseLoss;
    readonly reason: string;
  };
  /** Answered; or not, for a reason. */
  readonly requestEnded: { readonly plan: RequestPlan; readonly tookMs: number; readonly reason?: string };
  /** θ₀ was adopted, a meta-step applied, or an evaluation summed up, in `reduceMs`. */
  readonly batchReduced: { readonly record: JobRecord; readonly work: WorkKind; readonly reduceMs: number };
  readonly metaStepApplied: { readonly record: JobRecord; readonly applied: AppliedMetaStep };
  /** The result of the meta-steps since the last summary. */
  readonly metaStepsSummarised: { readonly record: JobRecord; readonly summary: MetaStepRecord };
  /**
   * After a restart, the job has reached its earlier meta-step again. `finding` says whether the
   * bytes are equal.
   */
  readonly chainCompared: { readonly record: JobRecord; readonly metaStep: number; readonly finding: string };
  readonly evaluated: { readonly record: JobRecord; readonly evaluation: EvaluationRecord };
  readonly checkpointWritten: {
    readonly record: JobRecord;
    readonly checkpoint: CheckpointRecord;
    readonly writeMs: number;
  };
  readonly checkpointFailed: {
    readonly record: JobRecord;
    readonly metaStep: number;
    readonly code: string;
    readonly reason: string;
  };
  /** Without shard hashes `metatrain replay` cannot check a shard. The job goes on. */
  readonly shardHashesLost: { readonly record: JobRecord; readonly error: unknown };
}

/**
 * `at`: milliseconds since 1970, for display only. The clock may be set, so no duration is a
 * difference of two of these.
 */
export type Happening<Name extends keyof Happenings> = Happenings[Name] & { readonly at: number };

export type Observer = ObserverOf<{ readonly [Name in keyof Happenings]: Happening<Name> }>;
