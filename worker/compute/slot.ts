// One compute thread's slot in the pool: its thread, the shard that it computes or the span that it
// helps with, and what is open in it. Decides nothing; the pool does.
import type { Worker } from 'node:worker_threads';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { HeldParams } from './params-store.ts';
import type { SlotState } from './pool-happening.ts';
import type { ToThread } from './protocol.ts';
import type { ShardWork } from './shard.ts';
import { type CrewMemory, disband } from './span.ts';

export interface Shard {
  readonly leaseId: string;
  readonly jobId: string;
  readonly work: ShardWork;
  readonly params: HeldParams | undefined;
  /** Of a span: not 0 when it is to end. */
  readonly stop: Int32Array | undefined;
  isCancelled: boolean;
  /** True if it did not get a thread at once. */
  hasWaited: boolean;
}

export interface Slot {
  readonly number: number;
  thread: Worker;
  state: SlotState;
  shard: Shard | undefined;
  /** What its shard, a span, shares with the threads that help it. */
  crew: { readonly memory: CrewMemory; helpersMissing: number } | undefined;
  /** What it shares with the span that it helps. */
  helps: CrewMemory | undefined;
  /** Jobs whose programs are open in the thread. */
  readonly openPrograms: Set<string>;
  /** Jobs whose programs were closed there to make room. */
  readonly evictedPrograms: Set<string>;
  isCompiling: boolean;
  /** Deaths without a shard since the slot last had one. */
  idleDeaths: number;
  predictedBytes: number;
  /** The error that the thread reported before it died. */
  failure: MetatrainError | undefined;
}

export const newSlot = (number: number, thread: Worker): Slot => ({
  number,
  thread,
  state: 'starting',
  shard: undefined,
  crew: undefined,
  helps: undefined,
  openPrograms: new Set(),
  evictedPrograms: new Set(),
  isCompiling: false,
  idleDeaths: 0,
  predictedBytes: 0,
  failure: undefined,
});

export function tell(slot: Slot, message: ToThread): void {
  // A starting thread gets all open jobs when it is ready.
  if (slot.state === 'starting' && message.kind !== 'stop') return;
  slot.thread.postMessage(message);
}

/** A span ends with the meta-step that it is at. */
export function stop({ stop: word }: Shard): void {
  if (word) Atomics.store(word, 0, 1);
}

/** The slot's shard, or the span that it helped, is none of its thread's any more. */
export function release(slot: Slot): Shard | undefined {
  const { shard, crew, helps } = slot;
  if (crew) disband(crew.memory, 'lead');
  if (helps) disband(helps, 'helper');
  slot.crew = undefined;
  slot.helps = undefined;
  slot.shard = undefined;
  shard?.params?.release();
  return shard;
}

export function threadError(error: NodeJS.ErrnoException): MetatrainError {
  if (error.code !== 'ERR_WORKER_OUT_OF_MEMORY') return asMetatrainError(error);
  return new MetatrainError('OUT_OF_MEMORY', 'a compute thread ran out of memory', { cause: error });
}
