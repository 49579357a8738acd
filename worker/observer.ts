// What a worker tells whoever watches it: leases, shards, programs. Observers are told in order, synchronously, after the fact; they decide
// nothing, must not throw and must not wait. What they are handed is read, never changed.
import type { ComputeHappening } from './compute/pool.ts';
import type { ShardOutcome } from './compute/shard.ts';
import type { Lease } from './session-state.ts';

export type WorkerHappening =
  | ComputeHappening
  | { readonly kind: 'jobOpened'; readonly jobId: string; readonly spec: string }
  | { readonly kind: 'jobClosed'; readonly jobId: string }
  /** The shard goes to the pool, under the lease's id. */
  | { readonly kind: 'shardTaken'; readonly lease: Lease }
  /** The lease was answered with a result that was here already. */
  | { readonly kind: 'heldResultSent'; readonly lease: Lease }
  /** Computed or not; `leaseId` is that with which the shard was taken. */
  | { readonly kind: 'shardEnded'; readonly outcome: ShardOutcome }
  | { readonly kind: 'shardCancelled'; readonly leaseId: string };

export type WorkerObserver = (happening: WorkerHappening) => void;

export const nobody: WorkerObserver = () => undefined;
