// What the runner reports: the log, a job's story, worker events, metrics and traces subscribe to
// it by name. Observers decide nothing. What they are handed is the runner's own and is read, never
// kept or changed. A write that a decision depends on (a record, a checkpoint) is not left to an
// observer: `runner/job-effects.ts` does it.
import type { ResolvedJob } from '../../learning/job.ts';
import type { ObserverOf } from '../../shared/observers.ts';
import type { AppliedMetaStep } from '../aggregation/training.ts';
import type { JobFailure, LeaseCancellation, LeaseLoss } from '../core/effect.ts';
import type { Lease, WorkKind } from '../core/state.ts';
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
  /** It waits for workers that are not there, or goes on. */
  readonly jobWaits: { readonly record: JobRecord; readonly reason: string };
  readonly workerConnected: { readonly link: WorkerLink };
  readonly workerDisconnected: { readonly link: WorkerLink; readonly reason: string };
  readonly workerDraining: { readonly link: WorkerLink; readonly reason: string };
  /** It still holds so many results from before its stream. */
  readonly resultsOffered: { readonly link: WorkerLink; readonly results: number };
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
  /** The worker could not compute the shard. `lease` is undefined when it has ended. */
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
  /** θ₀ was adopted, a meta-step applied, or an evaluation summed up, in `reduceMs`. */
  readonly batchReduced: { readonly record: JobRecord; readonly work: WorkKind; readonly reduceMs: number };
  readonly metaStepApplied: { readonly record: JobRecord; readonly applied: AppliedMetaStep };
  /** What the meta-steps since the last summary came to. */
  readonly metaStepsSummarised: { readonly record: JobRecord; readonly summary: MetaStepRecord };
  /** After a restart, the job is where it was before it; `finding` says whether the bytes are equal. */
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
  /** Without them `metatrain replay` cannot check a shard; the job goes on. */
  readonly shardHashesLost: { readonly record: JobRecord; readonly error: unknown };
}

/**
 * `at`: milliseconds since 1970, to be shown; the clock may be set, so durations are never differences
 * of it.
 */
export type Happening<Name extends keyof Happenings> = Happenings[Name] & { readonly at: number };

export type Observer = ObserverOf<{ readonly [Name in keyof Happenings]: Happening<Name> }>;
