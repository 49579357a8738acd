// What the runner tells whoever watches the cluster: metrics, events, traces. Observers decide nothing. What they are handed is the runner's
// own and is read, never kept or changed.
import type { JobSpec } from '../../shared/job-spec/index.ts';
import type { ObserverOf } from '../../shared/observers.ts';
import type { AppliedMetaStep } from '../aggregation/training.ts';
import type { JobFailure, LeaseCancellation, LeaseLoss } from '../core/effect.ts';
import type { Lease, WorkKind } from '../core/state.ts';
import type { CheckpointRecord, EvaluationRecord, JobRecord, JobStateName } from '../store/job-record.ts';
import type { WorkerLink } from '../workers/worker-link.ts';

interface Happenings {
  readonly jobOpened: { readonly record: JobRecord; readonly spec: JobSpec; readonly isRestored: boolean };
  readonly jobStateChanged: {
    readonly record: JobRecord;
    readonly state: JobStateName;
    readonly reason: string;
    readonly failure?: JobFailure;
  };
  readonly workerConnected: { readonly link: WorkerLink };
  readonly workerDisconnected: { readonly link: WorkerLink; readonly reason: string };
  readonly workerDraining: { readonly link: WorkerLink; readonly reason: string };
  readonly workerQuarantined: { readonly workerId: string; readonly coolDownMs: number; readonly reason: string };
  /** A quarantined worker has proved itself. */
  readonly workerLetBack: { readonly workerId: string; readonly reason: string };
  /** `payloadBytes` of θ went to the worker with it: none where it had that version already. */
  readonly leaseGranted: { readonly lease: Lease; readonly deadlineMs: number; readonly payloadBytes: number };
  readonly leaseCancelled: { readonly lease: Lease; readonly cause: LeaseCancellation; readonly reason: string };
  /** The result counts; it was taken in, into its sum where it has one, in `keepMs`. */
  readonly resultKept: {
    readonly lease: Lease;
    readonly computeMs: number;
    readonly payloadBytes: number;
    readonly keepMs: number;
  };
  /** A good result that does not count: late, or another was first. */
  readonly resultDropped: { readonly workerId: string; readonly leaseId: string; readonly reason: string };
  /** A result that cannot be one. */
  readonly resultRejected: { readonly lease: Lease; readonly code: string; readonly reason: string };
  /** The worker could not compute the shard. */
  readonly shardFailed: { readonly workerId: string; readonly leaseId: string; readonly code: string };
  readonly shardRetried: {
    /** The lease that ended. */
    readonly lease: Lease;
    readonly cause: LeaseLoss;
    readonly jobId: string;
    readonly metaStep: number;
    readonly shard: number;
    readonly workerId: string;
    readonly reason: string;
  };
  /** θ₀ was adopted, a meta-step applied, or an evaluation summed up, in `reduceMs`. */
  readonly batchReduced: { readonly record: JobRecord; readonly work: WorkKind; readonly reduceMs: number };
  readonly metaStepApplied: { readonly record: JobRecord; readonly applied: AppliedMetaStep };
  readonly evaluated: { readonly record: JobRecord; readonly evaluation: EvaluationRecord };
  readonly checkpointWritten: {
    readonly record: JobRecord;
    readonly checkpoint: CheckpointRecord;
    readonly writeMs: number;
  };
  readonly checkpointFailed: { readonly record: JobRecord; readonly code: string; readonly reason: string };
}

/**
 * `at`: milliseconds since 1970, to be shown; the clock may be set, so durations are never differences
 * of it.
 */
export type Happening<Name extends keyof Happenings> = Happenings[Name] & { readonly at: number };

export type Observer = ObserverOf<{ readonly [Name in keyof Happenings]: Happening<Name> }>;
