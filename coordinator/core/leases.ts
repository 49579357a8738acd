// The life of one lease: granted with a deadline, ended once, its shard or request given back or not. Knows nothing of results.
import type { CoreEffect, LeaseCancellation } from './effect.ts';
import { freeSlots, updateIdle } from './placement.ts';
import { giveWay } from './spans.ts';
import type {
  AnyLease,
  Batch,
  CoreState,
  Job,
  Lease,
  Request,
  RequestLease,
  Shard,
  Worker,
  WorkKind,
} from './state.ts';
import { beginStretch } from './stretch.ts';

/** Ended leases whose reason is remembered: at least so many, at most twice as many. */
const endedLeasesKept = 5_000;

export function grantLease(state: CoreState, job: Job, batch: Batch, shard: Shard, worker: Worker): CoreEffect {
  state.leasesGranted += 1;
  shard.attempts += 1;
  batch.begunAt ??= state.now;
  const isSpan = batch.work === 'span';
  const deadlineMs = deadlineFor(state, job, batch.work, shard);
  const lease: Lease = {
    kind: 'shard',
    leaseId: `${state.options.startId}-${state.leasesGranted}`,
    attempt: shard.attempts,
    isSpeculative: shard.leases.size > 0,
    job,
    batch,
    shard,
    paramsVersion: batch.members ? batch.step : job.step,
    isStopped: false,
    worker,
    slots: isSpan ? Math.min(freeSlots(worker), Math.ceil(job.plan.batchSize / job.plan.shardSize)) : 1,
    grantedAt: state.now,
    deadlineAt: state.now + deadlineMs,
    starting: undefined,
    startingMs: 0,
  };
  shard.leases.add(lease);
  if (isSpan) state.spans.add(lease);
  hold(state, lease);
  return { kind: 'sendLease', leaseId: lease.leaseId, deadlineMs };
}

/** A request is small: its lease's deadline is the floor, doubled by every failure, and never later than its own. */
export function grantRequest(state: CoreState, request: Request, worker: Worker): CoreEffect {
  const { leaseFloorMs, startId } = state.options;
  state.leasesGranted += 1;
  state.requestsLeased += 1;
  request.attempts += 1;
  const patient = leaseFloorMs * 2 ** Math.min(request.failures.length, 10);
  const deadlineMs = Math.ceil(Math.min(patient, request.deadlineAt - state.now));
  const lease: RequestLease = {
    kind: 'request',
    leaseId: `${startId}-${state.leasesGranted}`,
    attempt: request.attempts,
    request,
    worker,
    slots: 1,
    grantedAt: state.now,
    deadlineAt: state.now + deadlineMs,
    starting: undefined,
    startingMs: 0,
  };
  worker.learnerId = request.plan.learnerId;
  request.lease = lease;
  hold(state, lease);
  return { kind: 'sendLease', leaseId: lease.leaseId, deadlineMs };
}

function hold(state: CoreState, lease: AnyLease): void {
  const { leaseId, worker } = lease;
  state.leases.set(leaseId, lease);
  worker.leases.add(lease);
  worker.busySlots += lease.slots;
  updateIdle(state, worker);
}

/** `leaseFactor` times the measured time, doubled by every failure of the shard, between floor and ceiling. */
function deadlineFor({ options }: CoreState, job: Job, work: WorkKind, shard: Shard): number {
  const measured = job.shardMs[work];
  const usual = measured === undefined ? options.leaseFirstMs : measured * options.leaseFactor;
  const patient = Math.max(usual, options.leaseFloorMs) * 2 ** Math.min(shard.failures.length, 10);
  return Math.ceil(Math.min(patient, options.leaseCeilingMs));
}

/** Takes the lease out of every index. A shard is the caller's to mark done or to give back; a request waits again, unless the caller ends it. */
export function endLease(state: CoreState, lease: AnyLease, reason: string): void {
  state.leases.delete(lease.leaseId);
  state.justEnded.set(lease.leaseId, lease);
  lease.worker.leases.delete(lease);
  lease.worker.busySlots -= lease.slots;
  if (lease.kind === 'shard') {
    lease.shard.leases.delete(lease);
    state.spans.delete(lease);
  } else {
    lease.request.lease = undefined;
    state.requestsLeased -= 1;
  }
  updateIdle(state, lease.worker);
  if (state.endedLeases.size >= endedLeasesKept) {
    state.endedBefore = state.endedLeases;
    state.endedLeases = new Map();
  }
  state.endedLeases.set(lease.leaseId, reason);
}

/** Undefined when it is too long ago, or never was. */
export const reasonOfEnd = ({ endedLeases, endedBefore }: CoreState, leaseId: string): string | undefined =>
  endedLeases.get(leaseId) ?? endedBefore.get(leaseId);

/** The shard waits for a slot again, before the others, unless somebody else still computes it. */
export function giveShardBack({ job, batch, shard }: Lease): void {
  if (shard.isDone || shard.leases.size > 0) return;
  if (batch.work === 'span') giveWay(job, batch);
  else batch.pending.push(shard);
}

/** Ends every other lease of a shard, or of a job or a request that ends, and tells their workers. */
export function cancelLeases(
  state: CoreState,
  leases: Iterable<AnyLease>,
  { cause, reason }: { readonly cause: LeaseCancellation | 'requestEnded'; readonly reason: string },
  effects: CoreEffect[],
): void {
  for (const lease of [...leases]) {
    endLease(state, lease, reason);
    effects.push({ kind: 'cancelLease', leaseId: lease.leaseId, cause, reason });
  }
}

/**
 * Opening and compiling a program is no silence: the deadline stands still, up to `startCeilingMs` in
 * all.
 */
export function beginStarting(state: CoreState, lease: AnyLease, isReopening: boolean): void {
  if (lease.starting) return;
  lease.starting = { since: state.now, leftMs: lease.deadlineAt - state.now, isReopening };
  lease.deadlineAt += Math.max(0, state.options.startCeilingMs - lease.startingMs);
}

/** The deadline goes on, with what was left of it. */
export function endStarting(state: CoreState, lease: AnyLease): void {
  if (!lease.starting) return;
  const { since, leftMs, isReopening } = lease.starting;
  const tookMs = state.now - since;
  lease.starting = undefined;
  lease.startingMs += tookMs;
  lease.deadlineAt = Math.min(lease.deadlineAt, state.now + leftMs);
  if (isReopening && lease.kind === 'shard') beginStretch(state, lease.job, tookMs);
}

/** Running mean of the time from grant to result without starting, the newest fifth of the weight. */
export function measureShard(job: Job, work: WorkKind, elapsedMs: number): void {
  const before = job.shardMs[work];
  job.shardMs[work] = before === undefined ? elapsedMs : before + 0.2 * (elapsedMs - before);
}
