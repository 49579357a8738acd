// What the compute pool reports to its observers, and its state on request.
import type { CompileReport } from '../engine/engine.ts';
import type { ShardFailureReason, ShardWork } from './shard.ts';

export interface PoolHappenings {
  /** A thread begins the shard. */
  readonly shardStarted: { readonly leaseId: string };
  /**
   * A program was traced and has a session: a new one, or that of an equal graph. `leaseId`: the
   * shard that needed it.
   */
  readonly compiled: { readonly leaseId: string | undefined; readonly report: CompileReport };
  readonly programOpened: Readonly<Record<string, never>>;
  /** A program was closed to make room for another. Its job's next shard opens it again. */
  readonly programEvicted: Readonly<Record<string, never>>;
  /** Of `computeMs`, the engine ran for `engineMs`. */
  readonly shardFinished: {
    readonly leaseId: string;
    readonly work: ShardWork['kind'];
    readonly computeMs: number;
    readonly engineMs: number;
  };
  readonly shardFailed: {
    readonly leaseId: string;
    readonly work: ShardWork['kind'];
    readonly failure: ShardFailureReason;
  };
  readonly shardCancelled: { readonly leaseId: string; readonly work: ShardWork['kind'] };
  readonly threadDied: Readonly<Record<string, never>>;
}

export const slotStates = ['starting', 'idle', 'busy', 'gone'] as const;
export type SlotState = (typeof slotStates)[number];

export interface PoolCensus {
  readonly slots: Readonly<Record<SlotState, number>>;
  /** Shards that wait for a thread. */
  readonly queued: number;
  /** Predicted memory of the open programs in all threads together. */
  readonly predictedBytes: number;
}
