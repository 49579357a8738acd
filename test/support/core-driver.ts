// Drives the real core in unit tests of its decisions: the test sets the time, names the workers
// and gives the answers.
import assert from 'node:assert/strict';
import type { CoreEffect } from '../../coordinator/core/effect.ts';
import type { CoreEvent, Untimed } from '../../coordinator/core/event.ts';
import {
  anyLeaseOf,
  type CoreOptions,
  type CoreState,
  createState,
  defaultCoreOptions,
  type JobPlan,
  type Lease,
} from '../../coordinator/core/state.ts';
import { step } from '../../coordinator/core/step.ts';

export class CoreDriver {
  readonly state: CoreState;
  /** Every lease that was sent, oldest first. */
  readonly leases: Lease[] = [];
  readonly effects: CoreEffect[] = [];
  now = 1_000;
  readonly #connections = new Map<string, number>();

  constructor(options: Partial<CoreOptions> = {}) {
    this.state = createState({ ...defaultCoreOptions, startId: 's', ...options });
  }

  /** Reductions and checkpoints are answered at once. */
  send(event: Untimed): CoreEffect[] {
    const effects = step(this.state, { ...event, at: this.now } as CoreEvent);
    this.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind === 'sendLease') {
        const lease = anyLeaseOf(this.state, effect.leaseId);
        if (lease.kind === 'shard') this.leases.push(lease);
      }
      if (effect.kind === 'reduce') this.send({ kind: 'reduced', jobId: effect.jobId });
      if (effect.kind === 'writeCheckpoint') {
        this.send({ kind: 'checkpointWritten', jobId: effect.jobId, step: effect.step });
      }
    }
    return effects;
  }

  /** Lets time pass while every worker sends heartbeats. */
  pass(ms: number): void {
    this.now += ms;
    for (const { workerId, connection } of this.state.workers.values()) {
      this.send({ kind: 'workerSeen', workerId, connection });
    }
    this.send({ kind: 'tick' });
  }

  submit(jobId: string, plan: Partial<JobPlan> = {}): void {
    this.send({
      kind: 'jobSubmitted',
      plan: {
        jobId,
        iterations: 100,
        batchSize: 4,
        shardSize: 1,
        evaluation: { every: 0, tasks: 2, shardSize: 1 },
        checkpointEvery: 0,
        isMixed: false,
        onNonFinite: 'fail',
        priority: 1,
        maxStaleness: 0,
        engine: 'compiled/cpu',
        plugins: [],
        ...plan,
      },
    });
  }

  connect(workerId: string, slots = 1, computesSpans = false): void {
    const connection = (this.#connections.get(workerId) ?? 0) + 1_000;
    this.#connections.set(workerId, connection);
    this.send({
      kind: 'workerConnected',
      workerId,
      connection,
      engine: 'compiled/cpu',
      fingerprint: 'f',
      plugins: [],
      slots,
      computesSpans,
    });
  }

  disconnect(workerId: string): void {
    this.send({ kind: 'workerDisconnected', ...this.#from(workerId), reason: 'the stream was lost' });
  }

  /** The present leases of the worker, oldest first. */
  held(workerId: string): Lease[] {
    const leases = this.state.workers.get(workerId)?.leases ?? [];
    return [...leases].filter((lease) => lease.kind === 'shard');
  }

  reopen({ leaseId, worker }: Lease, tookMs: number): void {
    const from = { ...this.#from(worker.workerId), leaseId, isReopening: true };
    this.send({ kind: 'shardProgressed', ...from, isStarting: true });
    this.pass(tookMs);
    this.send({ kind: 'shardProgressed', ...from, isStarting: false });
  }

  /** @param steps of a span: meta-steps that it has computed. */
  answer(lease: Lease, steps = 1): void {
    const { leaseId, batch, worker } = lease;
    this.send({
      kind: 'resultArrived',
      ...this.#from(worker.workerId),
      leaseId,
      work: batch.work,
      nonFiniteTasks: [],
      steps,
      isPresentedAgain: false,
    });
  }

  answerAll(workerId: string): void {
    for (const lease of this.held(workerId)) this.answer(lease);
  }

  fail(lease: Lease, isRejected = false, code = 'INTERNAL'): void {
    const reason = { code, message: `${lease.worker.workerId} cannot`, isPermanent: false, isRejected };
    this.send({ kind: 'shardFailed', ...this.#from(lease.worker.workerId), leaseId: lease.leaseId, ...reason });
  }

  #from(workerId: string): { workerId: string; connection: number } {
    const worker = this.state.workers.get(workerId);
    assert.ok(worker, `${workerId} is connected`);
    return { workerId, connection: worker.connection };
  }
}
