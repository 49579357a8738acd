// Why a job that has not ended computes nothing. Derived from the state on request. A job that has
// waited long for workers that are not there also gets an event. The other reasons are usual, or have
// an event already.
import { describePlugin } from '../../shared/plugin-identity.ts';
import type { Waiting, WaitReason } from '../../shared/waiting.ts';
import type { CoreEffect } from './effect.ts';
import { batchesOf } from './meta-steps.ts';
import { hasFreeSlot, isCompatible, isWilling, missingPlugin, otherVersionOf } from './placement.ts';
import type { CoreState, Job, Worker } from './state.ts';

/**
 * Jobs that have not ended and compute nothing, by id. A job with a shard in flight, or whose results
 * are being added, does not wait.
 */
export function waitingJobs(state: CoreState): Map<string, Waiting> {
  const computing = jobsWithLeases(state);
  const line = new Map(waitingLine(state).map((job, position) => [job, position]));
  const found = new Map<string, Waiting>();
  for (const job of state.jobs.values()) {
    const waiting = computing.has(job) ? undefined : whyWaits(state, job, line.get(job));
    if (waiting) found.set(job.plan.jobId, waiting);
  }
  return found;
}

/**
 * Jobs that may be computed and are not admitted, in the order in which they will be: of the highest
 * priority first, then as submitted.
 */
export function waitingLine(state: CoreState): Job[] {
  const waiting = [...state.jobs.values()].filter((job) => job.status !== 'paused' && !state.admitted.has(job));
  return waiting.sort((a, b) => b.plan.priority - a.plan.priority || a.order - b.order);
}

/**
 * On every tick: reports jobs that have waited long for workers that are not there, and those that go
 * on after that.
 */
export function reportWaits(state: CoreState, effects: CoreEffect[]): void {
  const computing = jobsWithLeases(state);
  for (const job of state.admitted) {
    const waiting = computing.has(job) ? undefined : whyWaits(state, job, undefined);
    const { jobId } = job.plan;
    if (!waiting || !lacksWorkers.has(waiting.reason)) {
      if (job.wait?.isTold)
        effects.push({ kind: 'reportWait', jobId, reason: 'a worker that may compute it is there again' });
      job.wait = undefined;
      continue;
    }
    if (job.wait?.reason !== waiting.reason) job.wait = { reason: waiting.reason, since: state.now, isTold: false };
    if (job.wait.isTold || state.now - job.wait.since < state.options.waitTellMs) continue;
    job.wait.isTold = true;
    effects.push({ kind: 'reportWait', jobId, reason: `waits: ${waiting.message}` });
  }
}

/** What somebody has to do something about. */
const lacksWorkers: ReadonlySet<WaitReason> = new Set([
  'noWorker',
  'otherPlugin',
  'otherEngine',
  'otherData',
  'workersHeld',
]);

function jobsWithLeases(state: CoreState): Set<Job> {
  const jobs = new Set<Job>();
  for (const lease of state.leases.values()) if (lease.kind === 'shard') jobs.add(lease.job);
  return jobs;
}

/** @param position in the waiting line; undefined for a job that is not in it. */
function whyWaits(state: CoreState, job: Job, position: number | undefined): Waiting | undefined {
  if (job.status === 'paused') {
    return job.waitsForBytes === undefined
      ? { reason: 'paused', message: 'paused by request, until it is resumed' }
      : { reason: 'disk', message: job.waitsBecause };
  }
  if (position !== undefined) {
    const running = `${state.admitted.size} jobs are computed at once, the limit of this coordinator`;
    return { reason: 'queue', message: position === 0 ? running : `${running}, and ${position} more are before it` };
  }
  const hasPending = job.phase.kind === 'computing' && batchesOf(job).some(({ pending }) => pending.length > 0);
  return hasPending ? whyNoWorkerTakes(state, job) : undefined;
}

/** The first of the conditions for a worker that none of them meets. */
function whyNoWorkerTakes(state: CoreState, job: Job): Waiting {
  const workers = [...state.workers.values()];
  const { engine } = job.plan;
  const offering = workers.filter((worker) => worker.engine === engine);
  if (offering.length === 0) {
    const offers = [...new Set(workers.map((worker) => worker.engine))].sort().join(', ');
    const there = workers.length === 0 ? 'no worker is connected' : `those that are connected offer ${offers}`;
    return { reason: 'noWorker', message: `it needs a worker that offers ${engine} (placement); ${there}` };
  }
  const withPlugins = offering.filter((worker) => missingPlugin(job, worker) === undefined);
  if (withPlugins.length === 0) return { reason: 'otherPlugin', message: pluginText(job, offering) };
  const compatible = offering.filter((worker) => isCompatible(job, worker));
  if (compatible.length === 0) {
    const [refused] = withPlugins.flatMap((worker) => job.otherData.get(worker) ?? []);
    if (refused !== undefined)
      return { reason: 'otherData', message: `the workers that offer its engine read other data: ${refused}` };
    const message = `it keeps to the engine fingerprint ${job.fingerprint}, which no connected worker has (placement.mixed: true lifts that)`;
    return { reason: 'otherEngine', message };
  }
  const willing = compatible.filter(isWilling);
  if (willing.length === 0) return { reason: 'workersHeld', message: heldText(compatible) };
  const message = willing.some(hasFreeSlot)
    ? 'its shard failed on the workers that are free, and is kept for one that is busy'
    : `the workers that may compute it (${willing.length}) compute for other jobs`;
  return { reason: 'workersBusy', message };
}

/** @param workers that offer the job's engine, of which none holds all of its plugins. */
function pluginText(job: Job, workers: readonly Worker[]): string {
  const missing = workers.flatMap((worker) => missingPlugin(job, worker) ?? []);
  const others = workers.filter((worker, index) => otherVersionOf(missing[index]!, worker)).length;
  return (
    `it uses the plugin ${describePlugin(missing[0]!)}, and of the workers that offer its engine ` +
    `${workers.length - others} lack it and ${others} hold another version (metatrain workers says which)`
  );
}

function heldText(workers: readonly Worker[]): string {
  const draining = workers.filter(({ isDraining }) => isDraining).length;
  return (
    `of the workers that may compute it, ${draining} are about to leave and ${workers.length - draining} are quarantined ` +
    '(metatrain workers says why)'
  );
}
