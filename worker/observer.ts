// What the session and the compute pool tell whoever watches the worker. Observers are told synchronously, after the fact; they decide nothing
// and must not throw.
import type { PoolHappening } from './compute/pool-happening.ts';
import type { Lease } from './session-state.ts';

export type WorkerHappening =
  | PoolHappening
  /** A coordinator has welcomed the worker. */
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected'; readonly code: string }
  /** A version of θ arrived. */
  | { readonly kind: 'paramsReceived'; readonly bytes: number }
  | { readonly kind: 'jobOpened'; readonly jobId: string; readonly spec: string }
  | { readonly kind: 'jobClosed'; readonly jobId: string }
  /** The shard goes to the pool, which speaks of it by the lease's id. */
  | { readonly kind: 'shardTaken'; readonly lease: Lease }
  /** `isHeld`: it had been computed before, for a lease that was lost. */
  | { readonly kind: 'resultSent'; readonly lease: Lease; readonly bytes: number; readonly isHeld: boolean };

export type WorkerObserver = (happening: WorkerHappening) => void;
