// Invariants of the core's state that must hold after every event.
import assert from 'node:assert/strict';
import type { CoreEffect } from '../../coordinator/core/effect.ts';
import { batchesOf } from '../../coordinator/core/meta-steps.ts';
import { canServe, hasFreeSlot, isCompatible, mayCompute } from '../../coordinator/core/placement.ts';
import { mostSteps } from '../../coordinator/core/spans.ts';
import {
  anyLeaseOf,
  type Batch,
  type CoreState,
  type Job,
  type Lease,
  type Worker,
} from '../../coordinator/core/state.ts';
import { usefulSlots } from '../../coordinator/core/useful-slots.ts';

export function checkState(state: CoreState): void {
  let held = 0;
  const idle = new Set([...state.idle.values()].flatMap(({ workers }) => [...workers]));
  for (const worker of state.workers.values()) {
    held += worker.leases.size;
    assert.ok(worker.busySlots <= worker.slots, 'a worker holds no more than its slots');
    const slots = [...worker.leases].reduce((sum, lease) => sum + lease.slots, 0);
    assert.equal(worker.busySlots, slots, 'the slots of a lease are counted');
    assert.equal(
      idle.has(worker),
      hasFreeSlot(worker),
      `worker ${worker.workerId} is in the idle index when it has a free slot`,
    );
  }
  assert.equal(held, state.leases.size, 'every lease is held by a worker that lives');
  let requestsLeased = 0;
  for (const lease of state.leases.values()) {
    assert.equal(state.workers.get(lease.worker.workerId), lease.worker, 'no lease is held by the dead');
    if (lease.kind === 'request') {
      requestsLeased += 1;
      const { request } = lease;
      assert.equal(state.requests.get(request.plan.requestId), request, 'no lease of a request that has ended');
      assert.equal(request.lease, lease, 'a request is leased to one worker');
      continue;
    }
    const { shard, job, batch, paramsVersion } = lease;
    if (batch.work === 'span') checkSpan(state, lease);
    const staleness = batch.step - paramsVersion;
    assert.ok(staleness >= 0 && staleness <= job.plan.maxStaleness, `a shard is ${staleness} versions stale`);
    assert.ok(!shard.isDone, 'no lease of a shard that is done');
    assert.equal(state.jobs.get(job.plan.jobId), job, 'no lease of a job that has ended');
  }
  assert.equal(requestsLeased, state.requestsLeased, 'leased requests are counted');
  assert.ok(state.requests.size <= state.options.maxRequests, 'requests are bounded');
  for (const job of state.jobs.values()) checkBatches(job);
  checkUsefulSlots(state);
  assert.ok(state.admitted.size <= state.options.maxRunningJobs, 'no more jobs are admitted than may be');
  assert.ok(
    state.endedLeases.size + state.endedBefore.size <= 10_000 && state.offers.size <= 100_000,
    'what is remembered is bounded',
  );
}

function checkSpan(state: CoreState, lease: Lease): void {
  const { job, batch, worker } = lease;
  assert.ok(state.spans.has(lease) && worker.computesSpans, 'a span is held by a worker that takes spans');
  const { plan, step, phase } = job;
  assert.ok(phase.kind === 'computing' && phase.batch === batch, 'a span that is computed is what the job does');
  assert.equal(batch.step, step, 'a span begins at the present meta-step');
  assert.ok(batch.steps >= 1 && batch.steps <= mostSteps(plan), 'a span has no more than its meta-steps');
  const end = step + batch.steps;
  assert.ok(end <= plan.iterations, 'a span ends with its job');
  for (const every of [plan.evaluation.every, plan.checkpointEvery]) {
    const isCrossed = every > 0 && Math.floor((end - 1) / every) > Math.floor(step / every);
    assert.ok(!isCrossed, 'a span ends where an evaluation or a checkpoint is due');
  }
}

/** Scaled to this figure, a cluster never stops a slot that has a shard, nor keeps one when nothing is left. */
function checkUsefulSlots(state: CoreState): void {
  const useful = usefulSlots(state);
  let open = state.requests.size;
  for (const job of state.admitted) for (const { remaining } of batchesOf(job)) open += remaining;
  assert.ok(useful >= open, `${open} shards and requests are open, and ${useful} slots are useful`);
  const phases = new Set([...state.admitted].map(({ phase }) => phase.kind));
  if (phases.has('computing')) assert.ok(useful > 0, 'slots are useful while a job computes');
  else if (!phases.has('reducing')) assert.equal(useful, state.requests.size, 'no slot is useful when nothing is left');
}

function checkBatches(job: Job): void {
  for (const { step } of job.ahead) {
    assert.ok(step - job.step <= job.plan.maxStaleness, 'no batch is begun further before its turn than it may');
  }
  for (const batch of batchesOf(job)) checkBatch(batch);
}

function checkBatch({ shards, pending, remaining }: Batch): void {
  let leased = 0;
  let done = 0;
  for (const { leases, isDone } of shards) {
    if (leases.size > 0) leased += 1;
    if (isDone) done += 1;
    assert.ok(leases.size <= 2, 'a shard is computed at most twice at once');
  }
  assert.equal(pending.length + leased, remaining, 'every shard is pending, leased or done');
  assert.equal(shards.length - done, remaining, 'what remains is what is not done');
}

/**
 * Leases were granted to workers that may have them, for the jobs of the highest priority first.
 */
export function checkGrants(state: CoreState, effects: readonly CoreEffect[]): void {
  for (const effect of effects) {
    if (effect.kind !== 'sendLease') continue;
    if (!state.leases.has(effect.leaseId)) continue;
    const lease = anyLeaseOf(state, effect.leaseId);
    const { worker } = lease;
    assert.ok(mayCompute(lease, worker), 'a job keeps to its fingerprint, a request to its engine');
    assert.ok(!worker.isDraining, 'a draining worker gets nothing');
    assert.notEqual(worker.health.standing, 'quarantined', 'a quarantined worker gets nothing');
    if (lease.kind === 'request') continue;
    const { job } = lease;
    for (const other of state.admitted) {
      if (other.plan.priority <= job.plan.priority || other.phase.kind !== 'computing') continue;
      const { pending } = other.phase.batch;
      const wouldFit = pending.some(({ failures }) => failures.length === 0) && isCompatible(other, worker);
      assert.ok(
        !wouldFit,
        `job ${job.plan.jobId} got a slot that job ${other.plan.jobId} of a higher priority waits for`,
      );
    }
  }
}

/** A span whose slot somebody waits for who comes first is told to end. */
export function checkClaims(state: CoreState): void {
  for (const { isStopped, job, worker } of state.spans) {
    if (isStopped) continue;
    for (const other of state.admitted) {
      if (other.plan.priority <= job.plan.priority || other.phase.kind !== 'computing') continue;
      const isWaiting = other.phase.batch.pending.length > 0 && isCompatible(other, worker);
      assert.ok(!isWaiting, `job ${other.plan.jobId} waits for a span of job ${job.plan.jobId}`);
    }
  }
}

/** No healthy worker with a free slot idles while there is a shard that it may compute. */
export function checkNobodyIdles(state: CoreState): void {
  const idle: Worker[] = [];
  for (const { workers } of state.idle.values()) idle.push(...workers);
  if (idle.length === 0) return;
  for (const request of state.requests.values()) {
    if (request.lease || request.failures.length > 0) continue;
    const worker = idle.find((candidate) => canServe(request, candidate));
    assert.ok(!worker, `request ${request.plan.requestId} waits while ${worker?.workerId} idles`);
  }
  for (const job of state.admitted) {
    if (job.phase.kind !== 'computing') continue;
    for (const { failures, index } of job.phase.batch.pending) {
      if (failures.length > 0) continue;
      const worker = idle.find((candidate) => isCompatible(job, candidate));
      assert.ok(!worker, `shard ${index} of job ${job.plan.jobId} waits while ${worker?.workerId} idles`);
    }
  }
}
