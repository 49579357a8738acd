// Who comes next: among the admitted jobs with a shard that some idle worker may compute, one of the highest priority, and among those the
// one that has been granted the least compute time (stride scheduling, Waldspurger & Weihl 1995, with equal tickets), ties in submission
// order. Slots change hands only between shards, so nobody loses work and a job of high priority starts within one shard's time.
// Requests are small and somebody waits for them: they come before any shard, on their share of the slots, and after all shards on the rest.
// And the slow tail: while a slot idles, a shard that takes much longer than its fellows is computed a second time.
import type { CoreEffect } from './effect.ts';
import { markStarted } from './jobs.ts';
import { grantLease, grantRequest } from './leases.ts';
import { batchesOf, beginAhead } from './meta-steps.ts';
import { holderOf, workerFor, workerForRequest, workerForSpan } from './placement.ts';
import { giveWay } from './spans.ts';
import type { Batch, CoreState, Job, Shard, Worker } from './state.ts';
import { stretchOf } from './stretch.ts';

interface Match {
  readonly job: Job;
  readonly batch: Batch;
  /** Index into `batch.pending`. */
  readonly position: number;
  readonly worker: Worker;
}

/** Leases what waits until no idle worker fits any of it. */
export function grantLeases(state: CoreState, effects: CoreEffect[]): void {
  if (state.requests.size > state.requestsLeased) grantRequests(state, shareOfRequests(state), effects);
  grantShards(state, effects);
  if (state.requests.size > state.requestsLeased) grantRequests(state, Number.POSITIVE_INFINITY, effects);
}

/** The oldest first, while fewer than `most` are leased. */
function grantRequests(state: CoreState, most: number, effects: CoreEffect[]): void {
  for (const request of state.requests.values()) {
    if (state.idle.size === 0 || state.requestsLeased >= most) return;
    const worker = request.lease ? undefined : workerForRequest(state, request);
    if (worker) effects.push(grantRequest(state, request, worker));
  }
}

function shareOfRequests({ workers, options }: CoreState): number {
  let slots = 0;
  for (const worker of workers.values()) slots += worker.slots;
  return Math.max(1, Math.floor(slots * options.requestShare));
}

function grantShards(state: CoreState, effects: CoreEffect[]): void {
  while (state.idle.size > 0) {
    const match = nextMatch(state);
    if (!match) return;
    const { job, batch, position, worker } = match;
    const [shard] = batch.pending.splice(position, 1);
    if (!shard) throw new Error('a match names a pending shard');
    markStarted(job, effects);
    grant(state, job, batch, shard, worker, effects);
  }
}

function grant(state: CoreState, job: Job, batch: Batch, shard: Shard, worker: Worker, effects: CoreEffect[]): void {
  // A span may take several slots.
  const busyBefore = worker.busySlots;
  effects.push(grantLease(state, job, batch, shard, worker));
  job.served += costOf(job, batch) * (worker.busySlots - busyBefore);
}

function nextMatch(state: CoreState): Match | undefined {
  let best: Match | undefined;
  for (const job of state.admitted) {
    if (job.phase.kind !== 'computing' || (best && !comesBefore(job, best.job))) continue;
    best = matchOfJob(state, job) ?? best;
  }
  return best;
}

function comesBefore(a: Job, b: Job): boolean {
  if (a.plan.priority !== b.plan.priority) return a.plan.priority > b.plan.priority;
  const [ofA, ofB] = [stretchOf(a), stretchOf(b)];
  if (ofA || ofB) return ofA !== undefined && (ofB === undefined || ofA.sinceMs < ofB.sinceMs);
  return a.served === b.served ? a.order < b.order : a.served < b.served;
}

function matchOfJob(state: CoreState, job: Job): Match | undefined {
  shareUntakenSpan(state, job);
  for (const batch of batchesOf(job)) {
    const match = matchOf(state, job, batch);
    if (match) return match;
    // Choosy or not, its shards come before those of later meta-steps.
    if (batch.pending.length > 0) return undefined;
  }
  const begun = beginAhead(job);
  return begun && matchOf(state, job, begun);
}

/** Where an idle worker does not take spans, it computes a shard instead. */
function shareUntakenSpan(state: CoreState, job: Job): void {
  if (job.phase.kind !== 'computing') return;
  const { batch } = job.phase;
  const [span] = batch.pending;
  if (batch.work !== 'span' || !span || workerForSpan(state, job, span)) return;
  if (workerFor(state, job, span)) giveWay(job, batch);
}

function matchOf(state: CoreState, job: Job, batch: Batch): Match | undefined {
  for (let position = batch.pending.length - 1; position >= 0; position -= 1) {
    const shard = batch.pending[position];
    if (!shard) break;
    const worker = holderOf(state, job, batch, shard) ?? workerOf(state, job, batch, shard);
    if (worker) return { job, batch, position, worker };
    // Only a shard that has failed is choosy; for the others, no worker now means none for the rest either.
    if (shard.failures.length === 0) return undefined;
  }
  return undefined;
}

const workerOf = (state: CoreState, job: Job, { work }: Batch, shard: Shard): Worker | undefined =>
  work === 'span' ? workerForSpan(state, job, shard) : workerFor(state, job, shard);

/** Milliseconds that a shard of this batch will take, as far as is known. */
const costOf = (job: Job, batch: Batch): number => job.shardMs[batch.work] ?? 1;

/** On every tick, after everything that is pending has been leased. */
export function duplicateSlowTail(state: CoreState, effects: CoreEffect[]): void {
  const { duplicateFactor, duplicateFloorMs } = state.options;
  for (const job of state.admitted) {
    if (state.idle.size === 0) return;
    if (job.phase.kind !== 'computing' || job.phase.batch.pending.length > 0) continue;
    const { batch } = job.phase;
    const usualMs = job.shardMs[batch.work];
    if (usualMs === undefined) continue;
    const slowMs = Math.max(duplicateFactor * usualMs, duplicateFloorMs);
    for (const shard of batch.shards) {
      const [lease] = shard.leases;
      if (!lease || shard.leases.size > 1 || state.now - lease.grantedAt < slowMs) continue;
      const worker = workerOf(state, job, batch, shard);
      if (worker) grant(state, job, batch, shard, worker, effects);
    }
  }
}
