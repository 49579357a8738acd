// Workers that keep failing. A failure is held against a worker only once another has computed the same shard, or when its result could not
// be one: a job that fails everywhere quarantines nobody. Quarantined, a worker gets nothing; after the cool-down it is on probation, with
// one shard at a time, until a result of its counts; failing again doubles the cool-down. Kept by worker id, so that a new stream is no pardon.
import type { CoreEffect } from './effect.ts';
import { updateIdle } from './placement.ts';
import type { CoreState, Health, Worker } from './state.ts';

/** Workers whose failures are remembered. */
const maxRemembered = 10_000;

/** The worker's record, from before where it has one. */
export function healthOf(state: CoreState, workerId: string): Health {
  return (
    state.health.get(workerId) ?? { standing: 'good', failures: 0, quarantines: 0, results: 0, until: 0, reason: '' }
  );
}

export function blameWorker(state: CoreState, workerId: string, reason: string, effects: CoreEffect[]): void {
  const worker = state.workers.get(workerId);
  const health = worker?.health ?? healthOf(state, workerId);
  remember(state, workerId, health);
  health.reason = reason;
  // What it still held when its quarantine began was lost then, too.
  if (health.standing === 'quarantined') return;
  health.failures += 1;
  if (health.standing === 'good' && health.failures < state.options.failuresToQuarantine) return;
  const { quarantineFirstMs, quarantineCeilingMs } = state.options;
  const coolDownMs = Math.min(quarantineCeilingMs, quarantineFirstMs * 2 ** Math.min(health.quarantines, 30));
  health.standing = 'quarantined';
  health.until = state.now + coolDownMs;
  health.quarantines += 1;
  health.failures = 0;
  health.results = 0;
  if (worker) updateIdle(state, worker);
  effects.push({ kind: 'reportQuarantine', workerId, coolDownMs, reason });
}

/** A result of the worker's has been counted. */
export function commendWorker(state: CoreState, worker: Worker, effects: CoreEffect[]): void {
  const { workerId, health } = worker;
  health.failures = 0;
  if (health.standing === 'quarantined' || health.quarantines === 0) {
    if (health.quarantines === 0) state.health.delete(worker.workerId);
    return;
  }
  health.results += 1;
  if (health.standing === 'probation') {
    health.standing = 'good';
    updateIdle(state, worker);
    effects.push({ kind: 'reportLetBack', workerId, reason: 'a result of its counts again' });
  }
  if (health.results < state.options.resultsToForgive) return;
  health.quarantines = 0;
  state.health.delete(worker.workerId);
}

/** On every tick. */
export function endCoolDowns(state: CoreState): void {
  for (const [workerId, health] of state.health) {
    if (health.standing !== 'quarantined' || state.now < health.until) continue;
    health.standing = 'probation';
    const worker = state.workers.get(workerId);
    if (worker) updateIdle(state, worker);
  }
}

function remember(state: CoreState, workerId: string, health: Health): void {
  if (state.health.has(workerId)) return;
  state.health.set(workerId, health);
  if (state.health.size <= maxRemembered) return;
  for (const [oldest] of state.health) {
    state.health.delete(oldest);
    return;
  }
}
