// Which worker may compute which shard. A job is computed by the engine and on the device that it asks
// for, by workers that hold its plugins. It keeps to the fingerprint of its first result, since other
// fingerprints round otherwise; `placement.mixed` lifts that. It keeps to the data of its first result
// in any case. Keeps the index of idle workers, so that a match costs nothing in a large cluster.
import { PassingSet } from '../../shared/passing.ts';
import { describePlugin, type PluginIdentity } from '../../shared/plugin-identity.ts';
import type { AnyLease, Batch, CoreState, Job, Offer, Request, Shard, Worker, WorkKind } from './state.ts';

export const hasFreeSlot = (worker: Worker): boolean => isWilling(worker) && freeSlots(worker) > 0;

export const freeSlots = (worker: Worker): number => slotsOf(worker) - worker.busySlots;

/** Takes shards at all, now or when a slot is free. */
export const isWilling = ({ isDraining, health }: Worker): boolean => !isDraining && health.standing !== 'quarantined';

/** On probation a worker may spoil one shard, not as many as it has slots. */
const slotsOf = ({ health, slots }: Worker): number => (health.standing === 'good' ? slots : 1);

/** The offer's place in the idle index. Engines and hashes hold no space. */
function groupOf({ engine, fingerprint, plugins }: Offer): string {
  const hashes = plugins.map(({ sha256 }) => sha256).sort();
  return `${engine} ${hashes.join('+')} ${fingerprint}`;
}

/** Puts the worker where it belongs in the idle index, behind those that have waited longer. */
export function updateIdle(state: CoreState, worker: Worker): void {
  const key = groupOf(worker);
  let group = state.idle.get(key);
  group?.workers.delete(worker);
  if (!hasFreeSlot(worker) || state.workers.get(worker.workerId) !== worker) {
    if (group?.workers.size === 0) state.idle.delete(key);
    return;
  }
  if (!group) {
    const { engine, fingerprint, plugins } = worker;
    group = { engine, fingerprint, plugins, workers: new PassingSet() };
    state.idle.set(key, group);
  }
  group.workers.add(worker);
}

export const isCompatible = (job: Job, worker: Worker): boolean => suits(job, worker) && !job.otherData.has(worker);

const suits = (job: Job, offer: Offer): boolean =>
  job.plan.engine === offer.engine &&
  (job.plan.isMixed || job.fingerprint === undefined || job.fingerprint === offer.fingerprint) &&
  missingPlugin(job, offer) === undefined;

/** A plugin that the job, or the request, uses and the offer does not hold with the same bytes. */
export const missingPlugin = ({ plan }: Job | Request, { plugins }: Offer): PluginIdentity | undefined =>
  plan.plugins.find(({ sha256 }) => !plugins.some((held) => held.sha256 === sha256));

/** Another version of the plugin that the offer holds: a file of the same name. */
export const otherVersionOf = ({ name }: PluginIdentity, { plugins }: Offer): PluginIdentity | undefined =>
  plugins.find((held) => held.name === name);

/**
 * The idle worker that should compute the shard now. A worker on which the shard has failed gets it again only when no other
 * compatible worker is there.
 */
export function workerFor(state: CoreState, job: Job, shard: Shard): Worker | undefined {
  const isUntried = (worker: Worker) =>
    !shard.failures.some(({ workerId }) => workerId === worker.workerId) && !holds(worker, shard);
  let tried: Worker | undefined;
  for (const worker of idleWorkers(state, job)) {
    if (job.otherData.has(worker)) continue;
    if (isUntried(worker)) return worker;
    if (!holds(worker, shard)) tried ??= worker;
  }
  if (!tried) return undefined;
  for (const worker of state.workers.values()) {
    if (isWilling(worker) && isCompatible(job, worker) && isUntried(worker)) return undefined;
  }
  return tried;
}

/** The idle worker with the most free slots that takes spans, where the span is not computed yet. */
export function workerForSpan(state: CoreState, job: Job, span: Shard): Worker | undefined {
  let best: Worker | undefined;
  for (const worker of idleWorkers(state, job)) {
    if (!worker.computesSpans || job.otherData.has(worker) || holds(worker, span)) continue;
    if (!best || freeSlots(worker) > freeSlots(best)) best = worker;
  }
  return best;
}

/** Whether the offer is what the request asks for. Fingerprints round otherwise, and an answer promises no bytes. */
export const canServe = (request: Request, offer: Offer): boolean =>
  request.plan.engine === offer.engine && missingPlugin(request, offer) === undefined;

/** Whether the lease's work could be another worker's. */
export const mayCompute = (lease: AnyLease, worker: Worker): boolean =>
  lease.kind === 'shard' ? isCompatible(lease.job, worker) : canServe(lease.request, worker);

/**
 * The idle worker that should serve the request now: one that served its learner last, where there is one. A
 * worker on which it has failed gets it again only when no other worker that could serve it is there.
 */
export function workerForRequest(state: CoreState, request: Request): Worker | undefined {
  const isUntried = (worker: Worker) => !request.failures.some(({ workerId }) => workerId === worker.workerId);
  let [untried, tried]: (Worker | undefined)[] = [];
  for (const [, group] of state.idle) {
    if (!canServe(request, group)) continue;
    for (const worker of group.workers) {
      if (!isUntried(worker)) tried ??= worker;
      else if (worker.learnerId === request.plan.learnerId) return worker;
      else untried ??= worker;
    }
  }
  if (untried || !tried) return untried;
  for (const worker of state.workers.values()) {
    if (isWilling(worker) && canServe(request, worker) && isUntried(worker)) return undefined;
  }
  return tried;
}

export const offerKey = (jobId: string, work: WorkKind, step: number, shard: number): string =>
  `${jobId}/${work}/${step}/${shard}`;

/** The worker that still holds the shard's result, when it can answer at once. */
export function holderOf(state: CoreState, job: Job, { work, step }: Batch, shard: Shard): Worker | undefined {
  if (state.offers.size === 0) return undefined;
  const key = offerKey(job.plan.jobId, work, step, shard.index);
  const holder = state.offers.get(key);
  if (!holder || !hasFreeSlot(holder) || !isCompatible(job, holder)) return undefined;
  // Once: a holder that does not answer is a worker like any other.
  state.offers.delete(key);
  return shard.failures.some(({ workerId }) => workerId === holder.workerId) ? undefined : holder;
}

const holds = (worker: Worker, shard: Shard): boolean => {
  for (const lease of shard.leases) if (lease.worker === worker) return true;
  return false;
};

function* idleWorkers(state: CoreState, job: Job): Iterable<Worker> {
  // As many groups as there are different offers, which are few.
  for (const [, group] of state.idle) if (suits(job, group)) yield* group.workers;
}

/** Why the worker idles although shards wait; empty when it is busy or nothing waits. */
export function idleReason(state: CoreState, worker: Worker): string {
  if (worker.isDraining) return 'draining: takes no new lease';
  const { standing, until, quarantines, reason } = worker.health;
  if (standing === 'quarantined') {
    const seconds = Math.ceil(Math.max(0, until - state.now) / 1_000);
    return `quarantined for ${seconds} s more (time ${quarantines}) after failing again and again, the last time: ${reason}`;
  }
  if (worker.leases.size > 0) return '';
  for (const job of state.admitted) {
    if (job.phase.kind !== 'computing' || job.phase.batch.pending.length === 0) continue;
    if (job.plan.engine !== worker.engine) {
      return `job ${job.plan.jobId} asks for ${job.plan.engine} (placement), and this worker offers ${worker.engine}`;
    }
    const missing = missingPlugin(job, worker);
    if (missing) {
      const uses = `job ${job.plan.jobId} uses the plugin ${describePlugin(missing)}`;
      const other = otherVersionOf(missing, worker);
      return other
        ? `${uses}, and this worker holds another version of it, ${describePlugin(other)}`
        : `${uses}, which this worker was started without (--plugin)`;
    }
    const otherData = job.otherData.get(worker);
    if (otherData !== undefined) return `refused by job ${job.plan.jobId}: ${otherData}`;
    if (!isCompatible(job, worker)) {
      return `job ${job.plan.jobId} keeps to the engine fingerprint ${job.fingerprint} (placement.mixed: true lifts that)`;
    }
    return `the waiting shard of job ${job.plan.jobId} failed here and is kept for another worker`;
  }
  return '';
}
