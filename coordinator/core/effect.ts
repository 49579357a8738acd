// What the core orders, as plain data that names jobs, workers and leases by their ids. The runner
// performs effects in order, before it takes the next event: until then `leaseOf` finds every lease
// that they name, also one that has just ended.
import type { ErrorCode } from '../../shared/errors.ts';
import type { WorkKind } from './state.ts';

export interface JobFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Why a lease ended without a result that counts, as a closed set: what metrics tell apart. */
export type LeaseLoss = 'deadline' | 'failure' | 'rejected' | 'workerLost' | 'otherData';
/** Why a worker is told to drop a lease. */
export type LeaseCancellation = 'deadline' | 'overtaken' | 'jobEnded';

export type JobTransition = 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';

export type CheckpointPurpose = 'scheduled' | 'final' | 'evaluated' | 'recovery';

export type CoreEffect =
  | { readonly kind: 'sendLease'; readonly leaseId: string; readonly deadlineMs: number }
  | {
      readonly kind: 'cancelLease';
      readonly leaseId: string;
      readonly cause: LeaseCancellation | 'requestEnded';
      readonly reason: string;
    }
  /** The worker is to return the span with the meta-steps that it has. */
  | { readonly kind: 'stopSpan'; readonly leaseId: string }
  | {
      readonly kind: 'disconnectWorker';
      readonly workerId: string;
      readonly connection: number;
      readonly code: ErrorCode;
      readonly message: string;
    }
  /** The result that came with this event answers the request. */
  | { readonly kind: 'requestDone'; readonly requestId: string; readonly leaseId: string }
  | {
      readonly kind: 'requestFailed';
      readonly requestId: string;
      readonly code: ErrorCode;
      readonly message: string;
    }
  /** The result that came with this event counts, as this lease's shard. */
  | { readonly kind: 'keepResult'; readonly leaseId: string }
  /** The result that came with this event does not count. */
  | { readonly kind: 'dropResult'; readonly leaseId: string; readonly workerId: string; readonly reason: string }
  /**
   * Every shard of the batch is in: adopt θ₀, apply the meta-step, adopt the span's, or sum the
   * evaluation up. Answered by `reduced` or `jobBroken`.
   */
  | { readonly kind: 'reduce'; readonly jobId: string; readonly work: WorkKind; readonly step: number }
  /** Reads the checkpoints that are tested together. Answered by `ensembleLoaded` or `jobBroken`. */
  | { readonly kind: 'loadEnsemble'; readonly jobId: string }
  /** Answered by `checkpointWritten` or `jobBroken`. */
  | {
      readonly kind: 'writeCheckpoint';
      readonly jobId: string;
      readonly step: number;
      /**
       * `recovery` checkpoints are for a restart only and go when the next one is there; `evaluated` ones
       * stay while their evaluation is among the best.
       */
      readonly purpose: CheckpointPurpose;
    }
  | {
      readonly kind: 'changeJobState';
      readonly jobId: string;
      readonly state: JobTransition;
      readonly reason: string;
      readonly failure?: JobFailure;
      /** Paused by itself, for want of room on the disk, and goes on by itself. */
      readonly waitsForRoom?: true;
    }
  /** A worker that keeps failing gets nothing for a while. */
  | {
      readonly kind: 'reportQuarantine';
      readonly workerId: string;
      readonly coolDownMs: number;
      readonly reason: string;
    }
  /** A quarantined worker has proved itself. */
  | { readonly kind: 'reportLetBack'; readonly workerId: string; readonly reason: string }
  /** For the job's story: it waits for workers that are not there, or goes on. */
  | { readonly kind: 'reportWait'; readonly jobId: string; readonly reason: string }
  /** This lease has ended, and its shard or request waits for another worker. */
  | { readonly kind: 'reportRetry'; readonly leaseId: string; readonly cause: LeaseLoss; readonly reason: string };
