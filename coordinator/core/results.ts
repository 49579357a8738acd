// What a worker says of a lease: a result counts once and only for a lease that lives; a failure costs the shard or the request an
// attempt, and too many cost the job or the request its life. Also what time says: a deadline that passed is a failure of the worker that held it.
import type { ErrorCode } from '../../shared/errors.ts';
import { isErrorCode } from '../../shared/errors.ts';
import type { CoreEffect, JobFailure, LeaseLoss } from './effect.ts';
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
import { isWilling, mayCompute } from './placement.ts';
import { blameWorker, commendWorker } from './quarantine.ts';
import { failRequest } from './requests.ts';
import { noteSpanFailure } from './spans.ts';
import { type AnyLease, attemptsOf, type CoreState, type Lease, workOf } from './state.ts';

type EventOf<Kind extends CoreEvent['kind']> = Extract<CoreEvent, { kind: Kind }>;

export function acceptResult(state: CoreState, event: EventOf<'resultArrived'>, effects: CoreEffect[]): void {
  const lease = liveLease(state, event);
  if (!lease) {
    // It lived when the result was checked, and ended by an event before this one.
    dropLateResult(state, event, effects);
    return;
  }
  if (event.work !== workOf(lease)) {
    rejectAttempt(state, lease, `answered ${workOf(lease)} work with a result of ${event.work} work`, effects);
    return;
  }
  endLease(state, lease, 'its result has been counted');
  if (lease.kind === 'request') {
    const { leaseId, request } = lease;
    const { requestId } = request.plan;
    state.requests.delete(requestId);
    judgeWorkers(state, lease, effects);
    effects.push({ kind: 'requestDone', requestId, leaseId });
    return;
  }
  const { job, batch, shard } = lease;
  endStarting(state, lease);
  if (batch.work === 'span') batch.steps = event.steps ?? batch.steps;
  if (event.isPresentedAgain || lease.startingMs > 0) batch.isTimed = false;
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
  if (event.code === 'DATA_SET_DIFFERS' && lease.kind === 'shard') {
    refuseWorker(state, lease, event.message, effects);
    return;
  }
  if (event.isRejected) {
    rejectAttempt(state, lease, event.message, effects);
    return;
  }
  const code: ErrorCode = isErrorCode(event.code) ? event.code : 'SHARD_FAILED';
  if (!event.isPermanent || isSpan(lease)) {
    failAttempt(state, lease, { cause: 'failure', message: event.message, code }, effects);
    return;
  }
  endLease(state, lease, 'it failed for good');
  failOwner(state, lease, { code, message: event.message }, effects);
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
    // A job that failed in this very loop has taken its other leases along. A request's own deadline is another matter.
    if (state.now < lease.deadlineAt || !state.leases.has(lease.leaseId)) continue;
    const message = `no result within the lease's ${Math.round(lease.deadlineAt - lease.grantedAt)} ms`;
    effects.push({ kind: 'cancelLease', leaseId: lease.leaseId, cause: 'deadline', reason: message });
    failAttempt(state, lease, { cause: 'deadline', message, code: 'SHARD_FAILED' }, effects);
  }
}

/** The lease's worker is gone: the shard, or the request, goes to another one at once. */
export function loseLease(state: CoreState, lease: AnyLease, reason: string, effects: CoreEffect[]): void {
  const tried = attemptsOf(lease);
  tried.losses += 1;
  // Who said that it leaves has not failed.
  if (!lease.worker.isDraining) tried.suspects.set(lease.worker.workerId, reason);
  retryOrFail(state, lease, 'workerLost', reason, effects);
}

/** Whose fault it was, the worker's or the work's, is not known yet. */
function failAttempt(
  state: CoreState,
  lease: AnyLease,
  { cause, message, code }: { readonly cause: LeaseLoss; readonly message: string; readonly code: ErrorCode },
  effects: CoreEffect[],
): void {
  const { worker } = lease;
  const { failures, suspects } = attemptsOf(lease);
  // A span whose first meta-step is not finite has not failed: its shards will say which task it is.
  const isHandedBack = isSpan(lease) && code === 'RESULT_NOT_FINITE';
  if (!isHandedBack) failures.push({ workerId: worker.workerId, message, code });
  // Where the coordinator has no room for the result, the worker has not failed.
  if (!isHandedBack && code !== 'QUEUE_FULL') suspects.set(worker.workerId, message);
  if (!isSpan(lease) && machineLacks.has(code) && isLackedByAll(state, lease)) {
    endLease(state, lease, message);
    const messages = new Map(failures.map((failure) => [failure.workerId, failure.message]));
    const isSame = new Set(messages.values()).size === 1;
    const told = isSame ? message : [...messages].map(([workerId, text]) => `${workerId}: ${text}`).join('; ');
    failOwner(state, lease, { code, message: told }, effects);
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

/** Whether every worker that could compute it has said that its machine lacks what it takes. */
function isLackedByAll(state: CoreState, lease: AnyLease): boolean {
  const { failures } = attemptsOf(lease);
  const lacking = new Set(failures.flatMap(({ workerId, code }) => (machineLacks.has(code) ? [workerId] : [])));
  for (const worker of state.workers.values()) {
    if (isWilling(worker) && mayCompute(lease, worker) && !lacking.has(worker.workerId)) return false;
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

/** A result that cannot be one is the worker's fault, whatever the work. */
function rejectAttempt(state: CoreState, lease: AnyLease, message: string, effects: CoreEffect[]): void {
  const { workerId } = lease.worker;
  attemptsOf(lease).failures.push({ workerId, message, code: 'REQUEST_INVALID' });
  retryOrFail(state, lease, 'rejected', message, effects);
  blameWorker(state, workerId, message, effects);
}

/** The work can be computed: who failed at it before has failed on its own account. */
function judgeWorkers(state: CoreState, lease: AnyLease, effects: CoreEffect[]): void {
  const { worker } = lease;
  commendWorker(state, worker, effects);
  for (const [workerId, message] of attemptsOf(lease).suspects) {
    if (workerId !== worker.workerId) blameWorker(state, workerId, message, effects);
  }
}

function retryOrFail(state: CoreState, lease: AnyLease, cause: LeaseLoss, reason: string, effects: CoreEffect[]): void {
  const { failures, losses } = attemptsOf(lease);
  const { workersToFailShard, attemptsToFailShard } = state.options;
  endLease(state, lease, reason);
  const newest = new Map(failures.map(({ workerId, message }) => [workerId, message]));
  const attempts = failures.length + losses;
  if (lease.kind === 'shard' && isSpan(lease)) {
    noteSpanFailure(lease.job);
    giveBack(lease, cause, reason, effects);
    return;
  }
  if (newest.size >= workersToFailShard || attempts >= attemptsToFailShard) {
    const messages = [...newest].map(([workerId, message]) => `${workerId}: ${message}`);
    if (losses > 0) messages.push(`lost ${losses} times with its worker, the last time ${lease.worker.workerId}`);
    const what =
      lease.kind === 'shard' ? describeShard(lease.batch, lease.shard) : `the ${lease.request.plan.work} request`;
    const message = `${what} failed ${attempts} times. ${messages.join('; ')}`;
    failOwner(state, lease, { code: 'SHARD_FAILED', message }, effects);
    return;
  }
  giveBack(lease, cause, reason, effects);
}

const isSpan = (lease: AnyLease): boolean => lease.kind === 'shard' && lease.batch.work === 'span';

/** The lease has ended: its job or its request fails. */
function failOwner(state: CoreState, lease: AnyLease, failure: JobFailure, effects: CoreEffect[]): void {
  if (lease.kind === 'shard') failJob(state, lease.job, failure, effects);
  else failRequest(state, lease.request, failure, effects);
}

function giveBack(lease: AnyLease, cause: LeaseLoss, reason: string, effects: CoreEffect[]): void {
  if (lease.kind === 'shard') giveShardBack(lease);
  effects.push({ kind: 'reportRetry', leaseId: lease.leaseId, cause, reason });
}

/** The lease, if it lives and the message comes from the very stream to which it was granted. */
function liveLease(
  state: CoreState,
  { leaseId, workerId, connection }: { leaseId: string; workerId: string; connection: number },
): AnyLease | undefined {
  const lease = state.leases.get(leaseId);
  return lease && lease.worker.workerId === workerId && lease.worker.connection === connection ? lease : undefined;
}
