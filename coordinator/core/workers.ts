// Who is in the cluster. A stream that closes returns its leases at once; so does one that is silent for three heartbeats; a second
// stream of the same worker replaces the first. Clock jumps and pauses of the coordinator itself are not held against the workers.
import { PassingSet } from '../../shared/passing.ts';
import type { CoreEffect } from './effect.ts';
import type { CoreEvent } from './event.ts';
import { offerKey, updateIdle } from './placement.ts';
import { healthOf } from './quarantine.ts';
import { loseLease } from './results.ts';
import { doubtPaces } from './spans.ts';
import type { CoreState, Worker } from './state.ts';

type EventOf<Kind extends CoreEvent['kind']> = Extract<CoreEvent, { kind: Kind }>;

export function connectWorker(state: CoreState, event: EventOf<'workerConnected'>, effects: CoreEffect[]): void {
  const { workerId, connection, engine, fingerprint, plugins, slots, computesSpans = false } = event;
  const before = state.workers.get(workerId);
  if (before) {
    const message = `another stream has said hello as worker ${workerId}`;
    removeWorker(state, before, message, effects);
    effects.push({
      kind: 'disconnectWorker',
      workerId,
      connection: before.connection,
      code: 'WORKER_FENCED',
      message,
    });
  }
  const worker: Worker = {
    workerId,
    connection,
    engine,
    fingerprint,
    plugins,
    slots,
    computesSpans,
    leases: new PassingSet(),
    busySlots: 0,
    learnerId: undefined,
    lastSeenAt: state.now,
    isDraining: false,
    health: healthOf(state, workerId),
    offers: [],
  };
  state.workers.set(workerId, worker);
  updateIdle(state, worker);
  doubtPaces(state);
}

export function disconnectWorker(state: CoreState, event: EventOf<'workerDisconnected'>, effects: CoreEffect[]): void {
  const worker = workerOf(state, event);
  if (worker) removeWorker(state, worker, event.reason, effects);
}

/** Any message is a sign of life. */
export function seeWorker(state: CoreState, event: { workerId: string; connection: number }): void {
  const worker = workerOf(state, event);
  if (worker) worker.lastSeenAt = state.now;
}

/** The worker finishes what it holds and gets nothing more. */
export function drainWorker(state: CoreState, event: EventOf<'workerDraining'>): void {
  const worker = workerOf(state, event);
  if (!worker) return;
  worker.isDraining = true;
  updateIdle(state, worker);
}

/** The newest offers of a worker, and all of the cluster's, that are remembered. */
const maxOffersOfWorker = 256;
const maxOffers = 100_000;

export function takeOffers(state: CoreState, event: EventOf<'resultsOffered'>): void {
  const worker = workerOf(state, event);
  if (!worker) return;
  for (const { jobId, work, step, shard } of event.held.slice(-maxOffersOfWorker)) {
    if (worker.offers.length >= maxOffersOfWorker || state.offers.size >= maxOffers) return;
    const key = offerKey(jobId, work, step, shard);
    worker.offers.push(key);
    state.offers.set(key, worker);
  }
}

/** On every tick. */
export function loseSilentWorkers(state: CoreState, effects: CoreEffect[]): void {
  const { heartbeatIntervalMs, missedHeartbeats } = state.options;
  for (const worker of [...state.workers.values()]) {
    const silentMs = state.now - worker.lastSeenAt;
    if (silentMs <= heartbeatIntervalMs * missedHeartbeats) continue;
    const message = `no heartbeat from worker ${worker.workerId} for ${Math.round(silentMs)} ms`;
    removeWorker(state, worker, message, effects);
    const { workerId, connection } = worker;
    effects.push({ kind: 'disconnectWorker', workerId, connection, code: 'DEADLINE_EXCEEDED', message });
  }
}

/** The coordinator itself stood still for `pauseMs`: what was said meanwhile waits in the sockets, so nobody is late yet. */
export function forgivePause(state: CoreState, pauseMs: number): void {
  for (const worker of state.workers.values()) worker.lastSeenAt = Math.min(state.now, worker.lastSeenAt + pauseMs);
  for (const lease of state.leases.values()) lease.deadlineAt += pauseMs;
  for (const request of state.requests.values()) request.deadlineAt += pauseMs;
}

function removeWorker(state: CoreState, worker: Worker, reason: string, effects: CoreEffect[]): void {
  state.workers.delete(worker.workerId);
  for (const key of worker.offers) if (state.offers.get(key) === worker) state.offers.delete(key);
  updateIdle(state, worker);
  doubtPaces(state);
  for (const job of state.jobs.values()) job.otherData.delete(worker);
  for (const lease of [...worker.leases]) {
    // A job that failed in this very loop has taken its other leases along.
    if (state.leases.has(lease.leaseId)) loseLease(state, lease, reason, effects);
  }
}

function workerOf(state: CoreState, event: { workerId: string; connection: number }): Worker | undefined {
  const worker = state.workers.get(event.workerId);
  return worker?.connection === event.connection ? worker : undefined;
}
