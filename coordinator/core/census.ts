// The cluster counted: what waits, what is leased, and what the workers do. Read off the state when somebody asks; nothing is kept.
import { type WaitReason, waitReasons } from '../../shared/waiting.ts';
import { batchesOf } from './meta-steps.ts';
import { type CoreState, type Worker, type WorkerState, workerStates } from './state.ts';
import { usefulSlots } from './useful-slots.ts';
import { waitingJobs } from './waiting.ts';

export interface Census {
  /** Shards of admitted jobs that wait for a slot. */
  readonly pendingShards: number;
  readonly leases: number;
  readonly workers: Readonly<Record<WorkerState, number>>;
  /** Of all connected workers. */
  readonly slots: number;
  /** Slots that could compute at once: what the cluster should have. */
  readonly usefulSlots: number;
  /** Jobs that compute nothing, by why. */
  readonly waiting: Readonly<Record<WaitReason, number>>;
}

export function workerState({ isDraining, health, busySlots, slots }: Worker): WorkerState {
  if (isDraining) return 'draining';
  if (health.standing === 'quarantined') return 'quarantined';
  return busySlots >= slots ? 'busy' : 'idle';
}

export function takeCensus(state: CoreState): Census {
  const workers = Object.fromEntries(workerStates.map((name) => [name, 0])) as Record<WorkerState, number>;
  let slots = 0;
  for (const worker of state.workers.values()) {
    workers[workerState(worker)] += 1;
    slots += worker.slots;
  }
  let pendingShards = 0;
  for (const job of state.admitted) for (const { pending } of batchesOf(job)) pendingShards += pending.length;
  const waiting = Object.fromEntries(waitReasons.map((reason) => [reason, 0])) as Record<WaitReason, number>;
  for (const { reason } of waitingJobs(state).values()) waiting[reason] += 1;
  return { pendingShards, leases: state.leases.size, workers, slots, usefulSlots: usefulSlots(state), waiting };
}
