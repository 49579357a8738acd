// What a worker says of a lease: a result counts once and only for a lease that lives; a failure costs the shard an attempt, and too
// many cost the job its life. Also what time says: a deadline that passed is a failure of the worker that held it.
import type { ErrorCode } from '../../shared/errors.ts';
import { isErrorCode } from '../../shared/errors.ts';
import type { CoreEffect, LeaseLoss } from './effect.ts';
import type { CoreEvent } from './event.ts';
import { completeBatch, failJob } from './jobs.ts';
import {
  beginStarting,
  cancelLeases,
  endLease,
  endStarting,
  giveShardBack,
  measureShard,
  reasonOfEnd,
} from './leases.ts';
import { batchesOf, describeShard } from './meta-steps.ts';
import { isCompatible, isWilling } from './placement.ts';
import { blameWorker, commendWorker } from './quarantine.ts';
import type { CoreState, Lease } from './state.ts';

type EventOf<Kind extends CoreEvent['kind']> = Extract<CoreEvent, { kind: Kind }>;

export function acceptResult(state: CoreState, event: EventOf<'resultArrived'>, effects: CoreEffect[]): void {
  const lease = liveLease(state, event);
  if (!lease) {
    // It lived when the result was checked, and ended by an event before this one.
    dropLateResult(state, event, effects);
    return;
  }
  const { job, batch, shard } = lease;
  if (event.work !== batch.work) {
    rejectAttempt(state, lease, `answered ${batch.work} work with a result of ${event.work} work`, effects);
    return;
  }
  endLease(state, lease, 'its result has been counted');
  endStarting(state, lease);
  if (!event.isPresentedAgain) measureShard(job, batch.work, state.now - lease.grantedAt - lease.startingMs);
  shard.isDone = true;
  batch.remaining -= 1;
  const overtaken = { cause: 'overtaken', reason: "another worker's result of the shard has been counted" } as const;
  cancelLeases(state, shard.leases, overtaken, effects);
  job.fingerprint ??= lease.worker.fingerprint;
  judgeWorkers(state, lease, effects);

  const task = event.nonFiniteTasks[0];
  if (task !== undefined && job.plan.onNonFinite === 'fail') {
    const message =
      `the meta-gradient of training task ${task} is not finite, in ${describeShard(batch, shard)}; ` +
      'a smaller algorithm.innerLearningRate may help, and meta.onNonFinite: skip leaves such tasks out';
    failJob(state, job, { code: 'RESULT_NOT_FINITE', message }, effects);
    return;
  }
  effects.push({ kind: 'keepResult', leaseId: lease.leaseId });
  if (batch.remaining === 0 && batchesOf(job)[0] === batch) completeBatch(job, batch, effects);
}

/** For a lease that has ended, or that was never granted to this stream: the worker is told why the result does not count. */
export function dropLateResult(
  state: CoreState,
  { leaseId, workerId }: { readonly leaseId: string; readonly workerId: string },
  effects: CoreEffect[],
): void {
  const unknown = state.leases.has(leaseId)
    ? 'the lease was granted to another stream'
    : 'no such lease: it is from before the coordinator started';
  const reason = reasonOfEnd(state, leaseId) ?? unknown;
  effects.push({ kind: 'dropResult', leaseId, workerId, reason });
}

export function acceptFailure(state: CoreState, event: EventOf<'shardFailed'>, effects: CoreEffect[]): void {
  const lease = liveLease(state, event);
  if (!lease) return;
  if (event.code === 'DATA_SET_DIFFERS') {
    refuseWorker(state, lease, event.message, effects);
    return;
  }
  if (event.isRejected) {
    rejectAttempt(state, lease, event.message, effects);
    return;
  }
  const code: ErrorCode = isErrorCode(event.code) ? event.code : 'SHARD_FAILED';
  if (!event.isPermanent) {
    failAttempt(state, lease, { cause: 'failure', message: event.message, code }, effects);
    return;
  }
  endLease(state, lease, 'it failed for good');
  failJob(state, lease.job, { code, message: event.message }, effects);
}

export function noteProgress(state: CoreState, event: EventOf<'shardProgressed'>): void {
  const lease = liveLease(state, event);
  if (!lease) return;
  if (event.isStarting) beginStarting(state, lease, event.isReopening);
  else endStarting(state, lease);
}

/** On every tick. */
export function expireLeases(state: CoreState, effects: CoreEffect[]): void {
  for (const lease of [...state.leases.values()]) {
    // A job that failed in this very loop has taken its other leases along.
    if (state.now < lease.deadlineAt || !state.leases.has(lease.leaseId)) continue;
    const message = `no result within the lease's ${Math.round(lease.deadlineAt - lease.grantedAt)} ms`;
    effects.push({ kind: 'cancelLease', leaseId: lease.leaseId, cause: 'deadline', reason: message });
    failAttempt(state, lease, { cause: 'deadline', message, code: 'SHARD_FAILED' }, effects);
  }
}

/** The lease's worker is gone: the shard goes to another one at once. */
export function loseLease(state: CoreState, lease: Lease, reason: string, effects: CoreEffect[]): void {
  lease.shard.losses += 1;
  // Who said that it leaves has not failed.
  if (!lease.worker.isDraining) lease.shard.suspects.set(lease.worker.workerId, reason);
  retryOrFail(state, lease, 'workerLost', reason, effects);
}

/** Whose fault it was, the worker's or the shard's, is not known yet. */
function failAttempt(
  state: CoreState,
  lease: Lease,
  { cause, message, code }: { readonly cause: LeaseLoss; readonly message: string; readonly code: ErrorCode },
  effects: CoreEffect[],
): void {
  const { job, shard, worker } = lease;
  shard.failures.push({ workerId: worker.workerId, message, code });
  // Where the coordinator has no room for the result, the worker has not failed.
  if (code !== 'QUEUE_FULL') shard.suspects.set(worker.workerId, message);
  if (machineLacks.has(code) && isLackedByAll(state, lease)) {
    endLease(state, lease, message);
    const messages = new Map(shard.failures.map((failure) => [failure.workerId, failure.message]));
    const isSame = new Set(messages.values()).size === 1;
    const told = isSame ? message : [...messages].map(([workerId, text]) => `${workerId}: ${text}`).join('; ');
    failJob(state, job, { code, message: told }, effects);
    return;
  }
  retryOrFail(state, lease, cause, message, effects);
}

/** What a worker's machine lacks, it will lack at the next attempt too; another machine may have it. */
const machineLacks: ReadonlySet<ErrorCode> = new Set([
  'DATA_SET_MISSING',
  'DATA_CORRUPT',
  'DEVICE_MISSING',
  'OUT_OF_MEMORY',
]);

/** Whether every worker that could compute the shard has said that its machine lacks what it takes. */
function isLackedByAll(state: CoreState, { job, shard }: Lease): boolean {
  const lacking = new Set(shard.failures.flatMap(({ workerId, code }) => (machineLacks.has(code) ? [workerId] : [])));
  for (const worker of state.workers.values()) {
    if (isWilling(worker) && isCompatible(job, worker) && !lacking.has(worker.workerId)) return false;
  }
  return true;
}

/**
 * The worker reads other data than the job began with: neither the shard nor the worker has failed, but
 * this job is not for it.
 */
function refuseWorker(state: CoreState, lease: Lease, message: string, effects: CoreEffect[]): void {
  lease.job.otherData.set(lease.worker, message);
  endLease(state, lease, message);
  giveBack(lease, 'otherData', message, effects);
}

/** A result that cannot be one is the worker's fault, whatever the shard. */
function rejectAttempt(state: CoreState, lease: Lease, message: string, effects: CoreEffect[]): void {
  const { workerId } = lease.worker;
  lease.shard.failures.push({ workerId, message, code: 'REQUEST_INVALID' });
  retryOrFail(state, lease, 'rejected', message, effects);
  blameWorker(state, workerId, message, effects);
}

/** The shard can be computed: who failed at it before has failed on its own account. */
function judgeWorkers(state: CoreState, { shard, worker }: Lease, effects: CoreEffect[]): void {
  commendWorker(state, worker, effects);
  for (const [workerId, message] of shard.suspects) {
    if (workerId !== worker.workerId) blameWorker(state, workerId, message, effects);
  }
}

function retryOrFail(state: CoreState, lease: Lease, cause: LeaseLoss, reason: string, effects: CoreEffect[]): void {
  const { job, batch, shard, worker } = lease;
  const { workersToFailShard, attemptsToFailShard } = state.options;
  endLease(state, lease, reason);
  const newest = new Map(shard.failures.map(({ workerId, message }) => [workerId, message]));
  const attempts = shard.failures.length + shard.losses;
  if (newest.size >= workersToFailShard || attempts >= attemptsToFailShard) {
    const messages = [...newest].map(([workerId, message]) => `${workerId}: ${message}`);
    if (shard.losses > 0) messages.push(`lost ${shard.losses} times with its worker, the last time ${worker.workerId}`);
    const message = `${describeShard(batch, shard)} failed ${attempts} times. ${messages.join('; ')}`;
    failJob(state, job, { code: 'SHARD_FAILED', message }, effects);
    return;
  }
  giveBack(lease, cause, reason, effects);
}

function giveBack(lease: Lease, cause: LeaseLoss, reason: string, effects: CoreEffect[]): void {
  giveShardBack(lease);
  effects.push({ kind: 'reportRetry', leaseId: lease.leaseId, cause, reason });
}

/** The lease, if it lives and the message comes from the very stream to which it was granted. */
function liveLease(
  state: CoreState,
  { leaseId, workerId, connection }: { leaseId: string; workerId: string; connection: number },
): Lease | undefined {
  const lease = state.leases.get(leaseId);
  return lease && lease.worker.workerId === workerId && lease.worker.connection === connection ? lease : undefined;
}
