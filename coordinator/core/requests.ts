// Work that belongs to no job: submitted, leased to one worker at a time, answered once or failed with a
// reason, and forgotten. Nothing of it is recorded, so a restart forgets it too. Its attempts are counted as a
// shard's are; its patience ends it in any case.
import { MetatrainError } from '../../shared/errors.ts';
import type { CoreEffect, JobFailure } from './effect.ts';
import type { CoreEvent } from './event.ts';
import { cancelLeases } from './leases.ts';
import { canServe, isWilling } from './placement.ts';
import type { CoreState, Request } from './state.ts';

type EventOf<Kind extends CoreEvent['kind']> = Extract<CoreEvent, { kind: Kind }>;

/** @throws MetatrainError `QUEUE_FULL` */
export function submitRequest(state: CoreState, { plan }: EventOf<'requestSubmitted'>): void {
  const { maxRequests } = state.options;
  if (state.requests.size >= maxRequests) {
    const message = `${state.requests.size} requests wait for their answers, the limit of this coordinator; try again`;
    throw new MetatrainError('QUEUE_FULL', message);
  }
  if (state.requests.has(plan.requestId)) throw new Error(`request ${plan.requestId} is submitted twice`);
  state.requests.set(plan.requestId, {
    plan,
    deadlineAt: state.now + plan.patienceMs,
    lease: undefined,
    attempts: 0,
    failures: [],
    losses: 0,
    suspects: new Map(),
  });
}

/** What its worker sends afterwards is late. One that has ended is ignored. */
export function cancelRequest(
  state: CoreState,
  { requestId }: EventOf<'requestCancelled'>,
  effects: CoreEffect[],
): void {
  const request = state.requests.get(requestId);
  if (request) endRequest(state, request, 'nobody waits for the answer any more', effects);
}

export function failRequest(
  state: CoreState,
  request: Request,
  { code, message }: JobFailure,
  effects: CoreEffect[],
): void {
  endRequest(state, request, `the request has failed: ${message}`, effects);
  effects.push({ kind: 'requestFailed', requestId: request.plan.requestId, code, message });
}

/** On every tick. */
export function expireRequests(state: CoreState, effects: CoreEffect[]): void {
  for (const request of [...state.requests.values()]) {
    if (state.now < request.deadlineAt) continue;
    const { work, patienceMs } = request.plan;
    const message = `no answer to the ${work} request within ${patienceMs} ms: ${whyItWaits(state, request)}`;
    failRequest(state, request, { code: 'DEADLINE_EXCEEDED', message }, effects);
  }
}

function whyItWaits(state: CoreState, request: Request): string {
  const newest = request.failures.at(-1);
  const before = newest ? `; before that it failed on ${newest.workerId}: ${newest.message}` : '';
  if (request.lease) return `${request.lease.worker.workerId} was still computing it${before}`;
  const { engine } = request.plan;
  const offering = [...state.workers.values()].filter((worker) => canServe(request, worker));
  if (offering.length === 0) {
    const withPlugins = request.plan.plugins.length > 0 ? ' and holds its plugins' : '';
    return `no worker that offers ${engine}${withPlugins} is connected${before}`;
  }
  const willing = offering.filter(isWilling).length;
  return `of the workers that offer ${engine}, ${willing} were busy and ${offering.length - willing} took no work${before}`;
}

/** @param reason for its worker, where it is leased. */
function endRequest(state: CoreState, request: Request, reason: string, effects: CoreEffect[]): void {
  state.requests.delete(request.plan.requestId);
  if (request.lease) cancelLeases(state, [request.lease], { cause: 'requestEnded', reason }, effects);
}
