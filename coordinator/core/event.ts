// What the core is told. Every event carries its time, in milliseconds since some moment, never less
// than the event before; the core has no other clock.
import type { ErrorCode } from '../../shared/errors.ts';
import type { PluginIdentity } from '../../shared/plugin-identity.ts';
import type { JobPlan, RequestPlan, RequestWork, WorkKind } from './state.ts';

/** A message from a worker's stream, named by the stream that brought it. */
interface FromWorker {
  readonly at: number;
  readonly workerId: string;
  readonly connection: number;
}

export interface HeldShard {
  readonly jobId: string;
  readonly work: WorkKind;
  readonly step: number;
  readonly shard: number;
}

export interface ShardProgress {
  readonly leaseId: string;
  /** It waits for a thread, or for its program to be opened and compiled. */
  readonly isStarting: boolean;
  /** The worker had closed the job's program to make room for another's. */
  readonly isReopening: boolean;
}

/** Of the disk on which jobs are kept. */
export type DiskNews =
  /**
   * The disk refuses what this job, or any, must write: it goes on when `neededBytes` are free; 0 where
   * it is not for want of room.
   */
  | {
      readonly kind: 'roomMissing';
      /** Absent: every job. */
      readonly jobId?: string;
      readonly neededBytes: number;
      readonly reason: string;
    }
  /** So much is free, and the disk takes writes. The writes of some jobs may still wait. */
  | { readonly kind: 'roomSeen'; readonly freeBytes: number; readonly stillWaiting?: ReadonlySet<string> };

export type CoreEvent =
  /** Time passes. Expects one at least every heartbeat interval. */
  | { readonly kind: 'tick'; readonly at: number }
  | { readonly kind: 'jobSubmitted'; readonly at: number; readonly plan: JobPlan }
  /** After a restart: a job that had not ended, with what its last good checkpoint holds. */
  | {
      readonly kind: 'jobRestored';
      readonly at: number;
      readonly plan: JobPlan;
      readonly step: number;
      readonly hasParams: boolean;
      readonly hasStarted: boolean;
      readonly isPaused: boolean;
      readonly fingerprint: string | undefined;
      readonly evaluatedSteps: readonly number[];
      readonly hasFinalCheckpoint: boolean;
      /** Its best checkpoints have been tested together. */
      readonly hasEnsemble?: boolean;
      /** Checkpoints that could not be read, in words; usually none. */
      readonly leftOut?: readonly string[];
    }
  | { readonly kind: 'jobCancelRequested'; readonly at: number; readonly jobId: string }
  | { readonly kind: 'jobPauseRequested'; readonly at: number; readonly jobId: string }
  | { readonly kind: 'jobResumeRequested'; readonly at: number; readonly jobId: string }
  /** Work without a job: answered by `requestDone` or `requestFailed`, unless it is cancelled. */
  | { readonly kind: 'requestSubmitted'; readonly at: number; readonly plan: RequestPlan }
  /** Nobody waits for the answer any more. */
  | { readonly kind: 'requestCancelled'; readonly at: number; readonly requestId: string }
  | (FromWorker & {
      readonly kind: 'workerConnected';
      readonly engine: string;
      readonly fingerprint: string;
      readonly plugins: readonly PluginIdentity[];
      readonly slots: number;
      /** Takes leases of spans. Default: no. */
      readonly computesSpans?: boolean;
    })
  | (FromWorker & { readonly kind: 'workerDisconnected'; readonly reason: string })
  | (FromWorker & { readonly kind: 'workerSeen' })
  | (FromWorker & { readonly kind: 'workerDraining' })
  /** Shards that the worker has computed already: leased to it, they cost nothing. */
  | (FromWorker & { readonly kind: 'resultsOffered'; readonly held: readonly HeldShard[] })
  | (FromWorker & ShardProgress & { readonly kind: 'shardProgressed' })
  /** A result of a lease that lives, whose form and hash are right; whether it counts is the core's to say. */
  | (FromWorker & {
      readonly kind: 'resultArrived';
      readonly leaseId: string;
      readonly work: WorkKind | RequestWork;
      /** Tasks (of the split) whose meta-gradient was not finite and is not in the sum. */
      readonly nonFiniteTasks: readonly number[];
      /** Meta-steps that a span has computed, at least 1 and at most what its lease says. Only of spans. */
      readonly steps?: number;
      /** Computed for an earlier lease: tells nothing of how long a shard takes. */
      readonly isPresentedAgain?: boolean;
    })
  /** A result for a lease that does not live, or that is another stream's: nobody has looked into it. */
  | (FromWorker & { readonly kind: 'lateResultArrived'; readonly leaseId: string })
  | (FromWorker & {
      readonly kind: 'shardFailed';
      readonly leaseId: string;
      readonly code: string;
      readonly message: string;
      readonly isPermanent: boolean;
      /** The worker sent a result that cannot be one: wrong hash, shape, job or number. */
      readonly isRejected: boolean;
    })
  | ({ readonly at: number } & DiskNews)
  /** Answers to effects. */
  | { readonly kind: 'reduced'; readonly at: number; readonly jobId: string }
  | {
      readonly kind: 'ensembleLoaded';
      readonly at: number;
      readonly jobId: string;
      readonly members: readonly number[];
    }
  | { readonly kind: 'checkpointWritten'; readonly at: number; readonly jobId: string; readonly step: number }
  | {
      readonly kind: 'jobBroken';
      readonly at: number;
      readonly jobId: string;
      readonly code: ErrorCode;
      readonly message: string;
    };

/** An event before its time is known. */
export type Untimed<Event = CoreEvent> = Event extends CoreEvent ? Omit<Event, 'at'> : never;
