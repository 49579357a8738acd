// What the compute pool tells whoever watches it, and how it stands when somebody asks.
import type { CompileReport } from '../engine/engine.ts';
import type { ShardFailureReason, ShardWork } from './shard.ts';

export interface PoolHappenings {
  /** A thread takes the shard up. */
  readonly shardStarted: { readonly leaseId: string };
  /** A program was traced; it has a session, its own or that of an equal graph. `leaseId`: the shard that it was needed for. */
  readonly compiled: { readonly leaseId: string | undefined; readonly report: CompileReport };
  readonly programOpened: Readonly<Record<string, never>>;
  /** A program was closed to make room for another; its job's next shard opens it again. */
  readonly programEvicted: Readonly<Record<string, never>>;
  /** `engineMs` of `computeMs` were spent in the engine's runs. */
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
  /** What the programs that are open in all threads take together, by prediction. */
  readonly predictedBytes: number;
}
