// Spans: several whole meta-steps leased to one worker as one piece of work, since a small model's
// round trips cost more than its meta-steps. A span is a batch of one shard, so that its lease is
// lost, late, computed twice and blamed like any other. What it computes is a function of the job
// file, and how many meta-steps it takes is not part of that: whether there are spans is decided by
// what was measured, and changes no byte. Invariant: no span fails its job. One that fails gives
// way to its first meta-step, which is computed shard by shard and fails as it always would.

import type { JobPace } from '../../shared/pace.ts';
import type { CoreEffect } from './effect.ts';
import { cut, metaBatch } from './meta-steps.ts';
import { canServe, isCompatible, isWilling } from './placement.ts';
import type { Batch, CoreState, Job, JobPlan, Lease, Pace, Worker } from './state.ts';

export const newPace = (): Pace => ({
  sharedMs: undefined,
  spanMs: undefined,
  isSpanFaster: false,
  probe: undefined,
  probeAt: 0,
  sharedUntil: 0,
  failures: 0,
});

/** Shared meta-steps of one probe. */
const sharedPerProbe = 3;
/** One way is given up for the other where that is faster by this factor. */
const clearlyFaster = 1.1;
/** Of a new measurement in the running mean. */
const newestShare = 0.3;
/**
 * A span that fails is followed by at most so many shared meta-steps, a tenth of which follow the
 * first failures.
 */
const longestShared = 1_024;

/** The next of the job's meta-steps, as a span or shared. */
export function nextMetaSteps(state: CoreState, job: Job): Batch {
  const { plan, step } = job;
  return isSpanNext(state, job) ? spanBatch(job) : metaBatch(plan, step);
}

/**
 * One shard: the meta-steps up to the next evaluation, checkpoint or end of the job, of which it
 * computes as many as its time allows.
 */
function spanBatch(job: Job): Batch {
  const { plan, step } = job;
  const { every } = plan.evaluation;
  const ends = [plan.iterations, nextMultiple(every, step), nextMultiple(plan.checkpointEvery, step)];
  const steps = Math.min(mostSteps(plan), ...ends.map((end) => end - step));
  const tasks = plan.batchSize * steps;
  return { ...cut('span', step, step * plan.batchSize, tasks, tasks), steps };
}

/** Of one span; 0: the job has none. */
export const mostSteps = ({ spans }: JobPlan): number => (spans && 'maxSteps' in spans ? spans.maxSteps : 0);

const nextMultiple = (every: number, step: number): number =>
  every > 0 ? (Math.floor(step / every) + 1) * every : Number.POSITIVE_INFINITY;

function isSpanNext(state: CoreState, job: Job): boolean {
  const { plan, pace, step } = job;
  const mode = plan.spans?.mode ?? 'never';
  if (mode === 'never' || mostSteps(plan) === 0 || step < pace.sharedUntil) return false;
  if (![...state.workers.values()].some((worker) => mayTakeSpans(job, worker))) return false;
  if (mode === 'always') return true;
  if (pace.probe) return pace.probe.isSpan;
  if (pace.sharedMs === undefined) return false;
  if (pace.spanMs !== undefined && state.now < pace.probeAt) return pace.isSpanFaster;
  const isSpan = pace.spanMs === undefined || !pace.isSpanFaster;
  if (isSpan && !isSpanAffordable(state, job)) return false;
  pace.probe = { isSpan, since: state.now, left: isSpan ? 1 : sharedPerProbe };
  return isSpan;
}

/** A span takes one meta-step at least: a long one is not tried. */
function isSpanAffordable({ options }: CoreState, { plan, pace, shardMs }: Job): boolean {
  const shards = Math.ceil(plan.batchSize / plan.shardSize);
  return (pace.spanMs ?? (shardMs.train ?? 0) * shards) <= options.spanTrialMs;
}

export const mayTakeSpans = (job: Job, worker: Worker): boolean =>
  worker.computesSpans && isWilling(worker) && isCompatible(job, worker);

/** The batch is reduced: how long its meta-steps took, and what follows from it. */
export function measurePace(state: CoreState, job: Job, batch: Batch): void {
  const { pace } = job;
  if (batch.work === 'span') pace.failures = 0;
  const { begunAt, isTimed } = batch;
  if (job.plan.spans?.mode !== 'auto' || mostSteps(job.plan) === 0 || begunAt === undefined) return;
  if (isTimed) {
    const ms = (state.now - begunAt) / batch.steps;
    if (batch.work === 'span') pace.spanMs = newMean(pace.spanMs, ms);
    else pace.sharedMs = newMean(pace.sharedMs, ms);
    judge(state, pace);
  }
  const { probe } = pace;
  if (!probe || probe.isSpan !== (batch.work === 'span')) return;
  // What was not measured counts little, so that a probe ends in any case.
  probe.left -= isTimed ? 1 : 0.1;
  if (probe.left > 0) return;
  const { spanProbeFirstMs, spanProbeShare } = state.options;
  pace.probe = undefined;
  pace.probeAt = state.now + Math.max(spanProbeFirstMs, (state.now - probe.since) / spanProbeShare);
}

const newMean = (mean: number | undefined, ms: number): number =>
  mean === undefined ? ms : mean + newestShare * (ms - mean);

function judge({ options }: CoreState, pace: Pace): void {
  const { sharedMs, spanMs } = pace;
  if (sharedMs === undefined || spanMs === undefined) return;
  // A longer meta-step would keep its slots from others for too long.
  if (spanMs > options.spanLongestStepMs) pace.isSpanFaster = false;
  else if (pace.isSpanFaster) pace.isSpanFaster = spanMs < sharedMs * clearlyFaster;
  else pace.isSpanFaster = spanMs * clearlyFaster < sharedMs;
}

/** Workers have come or gone: what was measured may no longer hold. */
export function doubtPaces(state: CoreState): void {
  for (const job of state.admitted) job.pace.probeAt = Math.min(job.pace.probeAt, state.now);
}

/** How a job's meta-steps are computed now, and why; undefined while none is. */
export function paceOf(state: CoreState, jobId: string): JobPace | undefined {
  const job = state.jobs.get(jobId);
  if (job?.phase.kind !== 'computing') return undefined;
  const { work } = job.phase.batch;
  if (work !== 'train' && work !== 'span') return undefined;
  const { sharedMs, spanMs } = job.pace;
  return {
    spans: work === 'span',
    reason: whyOfPace(job),
    ...(sharedMs !== undefined && { sharedMs }),
    ...(spanMs !== undefined && { spanMs }),
  };
}

function whyOfPace({ plan, pace, step }: Job): string {
  const { mode = 'never' } = plan.spans ?? {};
  if (mode === 'never') return 'placement.spans: never';
  if (plan.spans && 'because' in plan.spans) return `spans do not go with ${plan.spans.because}`;
  if (step < pace.sharedUntil) return `a span has failed: shared until meta-step ${pace.sharedUntil}`;
  if (mode === 'always') return 'placement.spans: always';
  if (pace.sharedMs === undefined || pace.spanMs === undefined) return 'placement.spans: auto, not measured yet';
  if (pace.probe) return 'the other way is tried';
  return pace.isSpanFaster ? 'a span measured faster' : 'sharing measured faster';
}

/**
 * The span is taken back from everybody, and its first meta-step is shared. What was tried counts
 * for the first of its shards, so that a worker that fails at everything is found out.
 */
export function giveWay(job: Job, span: Batch): void {
  const { pace, step, plan } = job;
  const batch = metaBatch(plan, step);
  const [from] = span.shards;
  const [to] = batch.shards;
  if (!from || !to) throw new Error('a batch has a shard');
  Object.assign(to, { attempts: from.attempts, losses: from.losses, suspects: from.suspects });
  to.failures.push(...from.failures);
  job.phase = { kind: 'computing', batch };
  pace.probe = undefined;
}

/** So many meta-steps are shared before the next span, twice as many after every failure. */
export function noteSpanFailure({ pace, step }: Job): void {
  pace.sharedUntil = step + Math.min(2 ** Math.min(pace.failures, 30), longestShared);
  pace.failures += 1;
}

/** The job's spans end with the meta-step that they are at. */
export function stopSpansOf(state: CoreState, job: Job, effects: CoreEffect[]): void {
  for (const lease of state.spans) if (lease.job === job) stopSpan(lease, effects);
}

/** Spans end early where somebody who comes first waits for one of their slots. */
export function stopSpans(state: CoreState, effects: CoreEffect[]): void {
  for (const lease of state.spans) if (!lease.isStopped && isClaimed(state, lease)) stopSpan(lease, effects);
}

function isClaimed(state: CoreState, { job, worker }: Lease): boolean {
  if (state.requests.size > state.requestsLeased) {
    for (const request of state.requests.values()) if (!request.lease && canServe(request, worker)) return true;
  }
  for (const other of state.admitted) {
    if (other.plan.priority <= job.plan.priority || other.phase.kind !== 'computing') continue;
    if (other.phase.batch.pending.length > 0 && isCompatible(other, worker)) return true;
  }
  return false;
}

function stopSpan(lease: Lease, effects: CoreEffect[]): void {
  if (lease.isStopped) return;
  lease.isStopped = true;
  effects.push({ kind: 'stopSpan', leaseId: lease.leaseId });
}
