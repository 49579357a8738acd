// What the session and the compute pool tell those who watch the worker. Observers decide nothing.
import type { ObserverOf } from '../shared/observers.ts';
import type { PoolHappenings } from './compute/pool-happening.ts';
import type { Lease } from './session-state.ts';

interface WorkerHappenings extends PoolHappenings {
  /** A coordinator has welcomed the worker. */
  readonly connected: Readonly<Record<string, never>>;
  readonly disconnected: { readonly code: string };
  /** A version of θ arrived. */
  readonly paramsReceived: { readonly bytes: number };
  readonly jobOpened: { readonly jobId: string; readonly spec: string };
  readonly jobClosed: { readonly jobId: string };
  /** The shard goes to the pool, which speaks of it by the lease's id. */
  readonly shardTaken: { readonly lease: Lease };
  /** `isHeld`: it had been computed before, for a lease that was lost. */
  readonly resultSent: { readonly lease: Lease; readonly bytes: number; readonly isHeld: boolean };
}

export type WorkerObserver = ObserverOf<WorkerHappenings>;
