// What the session and the compute pool tell whoever watches the worker. Observers are told synchronously, after the fact; they decide nothing
// and must not throw.
import type { PoolHappening } from './compute/pool-happening.ts';

export type WorkerHappening =
  | PoolHappening
  /** A coordinator has welcomed the worker. */
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected'; readonly code: string }
  /** A version of θ arrived. */
  | { readonly kind: 'paramsReceived'; readonly bytes: number }
  /** `isHeld`: it had been computed before, for a lease that was lost. */
  | { readonly kind: 'resultSent'; readonly bytes: number; readonly isHeld: boolean };

export type WorkerObserver = (happening: WorkerHappening) => void;
