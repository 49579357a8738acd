// Tens of simulated workers around the pure core on virtual time, from one seed: loss, delay, duplication, crashes, silence, failures.
// After every event: each shard counts once, no lease is held by the dead, no worker holds more than its slots; every job ends.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { CoreEffect } from '../../coordinator/core/effect.ts';
import type { CoreEvent } from '../../coordinator/core/event.ts';
import { createState, defaultCoreOptions, type JobPlan, type Lease } from '../../coordinator/core/state.ts';
import { step } from '../../coordinator/core/step.ts';
import { type Rng, taskRng } from '../../shared/rng.ts';

const plan = (jobId: string): JobPlan => ({
  jobId,
  iterations: 12,
  batchSize: 25,
  shardSize: 4,
  evaluation: { every: 5, tasks: 30 },
  checkpointEvery: 4,
  engine: 'compiled/cpu',
  isMixed: false,
  onNonFinite: 'fail',
});

interface Worker {
  readonly workerId: string;
  connection: number;
  isUp: boolean;
}

class Simulation {
  readonly #rng: Rng;
  readonly #state = createState({
    ...defaultCoreOptions,
    startId: 's',
    heartbeatIntervalMs: 100,
    leaseFloorMs: 300,
    leaseFirstMs: 500,
    duplicateFloorMs: 50,
    workersToFailShard: 20,
    attemptsToFailShard: 200,
  });
  readonly #queue: { readonly at: number; readonly run: () => void }[] = [];
  readonly #workers: Worker[] = [];
  readonly #counted = new Map<object, number>();
  /** What was reduced, in order: the story that must not depend on the faults. */
  readonly stories = new Map<string, string[]>();
  readonly ends = new Map<string, string>();
  #now = 1;
  #connections = 0;

  constructor(seed: number, workers: number) {
    this.#rng = taskRng(seed, 'simulation', 0);
    for (let i = 0; i < workers; i += 1) this.#workers.push({ workerId: `w${i}`, connection: 0, isUp: false });
    for (const worker of this.#workers) this.#connect(worker);
  }

  run(jobs: number): void {
    for (let i = 0; i < jobs; i += 1) {
      this.stories.set(`j${i}`, []);
      this.#step({ kind: 'jobSubmitted', at: this.#now, plan: plan(`j${i}`) });
    }
    this.#tick();
    for (let events = 0; this.#state.jobs.size > 0; events += 1) {
      assert.ok(events < 200_000, 'no progress although healthy workers exist');
      this.#queue.sort((a, b) => b.at - a.at);
      const next = this.#queue.pop();
      assert.ok(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
  }

  #later(delayMs: number, run: () => void): void {
    this.#queue.push({ at: this.#now + delayMs, run });
  }

  #tick(): void {
    this.#step({ kind: 'tick', at: this.#now });
    for (const worker of this.#workers) {
      if (!worker.isUp) continue;
      if (this.#rng.uniform() < 0.9) this.#step({ kind: 'workerSeen', ...this.#from(worker) });
      if (this.#rng.uniform() < 0.01) this.#crash(worker);
    }
    this.#later(50, () => this.#tick());
  }

  #connect(worker: Worker): void {
    this.#connections += 1;
    worker.connection = this.#connections;
    worker.isUp = true;
    const slots = 1 + this.#rng.below(3);
    this.#step({ kind: 'workerConnected', ...this.#from(worker), engine: 'compiled/cpu', fingerprint: 'f', slots });
  }

  /** Sometimes the coordinator hears of it at once, sometimes only by silence. */
  #crash(worker: Worker): void {
    worker.isUp = false;
    if (this.#rng.uniform() < 0.5) this.#step({ kind: 'workerDisconnected', ...this.#from(worker), reason: 'crash' });
    this.#later(this.#rng.between(10, 600), () => this.#connect(worker));
  }

  #from({ workerId, connection }: Worker) {
    return { at: this.#now, workerId, connection };
  }

  #step(event: CoreEvent): void {
    for (const effect of step(this.#state, event)) this.#perform(effect);
    this.#check();
  }

  #perform(effect: CoreEffect): void {
    switch (effect.kind) {
      case 'sendLease':
        this.#compute(effect.lease);
        break;
      case 'keepResult': {
        const { shard, job } = effect.lease;
        assert.equal(this.#counted.get(shard), undefined, 'a shard counts once');
        this.#counted.set(shard, 1);
        assert.ok(this.#state.jobs.has(job.plan.jobId));
        break;
      }
      case 'reduce': {
        this.stories.get(effect.jobId)?.push(`${effect.work} ${effect.step}`);
        this.#later(0, () => this.#step({ kind: 'reduced', at: this.#now, jobId: effect.jobId }));
        break;
      }
      case 'writeCheckpoint':
        this.#later(this.#rng.between(1, 40), () =>
          this.#step({ kind: 'checkpointWritten', at: this.#now, jobId: effect.jobId, step: effect.step }),
        );
        break;
      case 'disconnectWorker': {
        const worker = this.#workers.find(({ connection }) => connection === effect.connection);
        if (!worker?.isUp) break;
        worker.isUp = false;
        this.#later(this.#rng.between(10, 200), () => this.#connect(worker));
        break;
      }
      case 'changeJobState':
        this.ends.set(effect.jobId, effect.state);
        break;
      default:
        break;
    }
  }

  #compute(lease: Lease): void {
    const { workerId, connection } = lease.worker;
    const chance = this.#rng.uniform();
    // Lost on the way, there or back.
    if (chance < 0.02) return;
    const delayMs = chance < 0.05 ? this.#rng.between(200, 2_000) : this.#rng.between(1, 30);
    const answer = () => {
      const from = { at: this.#now, workerId, connection, leaseId: lease.leaseId };
      if (chance > 0.98) {
        this.#step({ kind: 'shardFailed', ...from, code: 'INTERNAL', message: 'simulated', isPermanent: false });
      } else {
        this.#step({ kind: 'resultArrived', ...from, work: lease.batch.work, nonFiniteTasks: [] });
      }
    };
    this.#later(delayMs, answer);
    if (this.#rng.uniform() < 0.1) this.#later(delayMs + this.#rng.between(0, 300), answer);
  }

  #check(): void {
    let held = 0;
    for (const worker of this.#state.workers.values()) {
      held += worker.leases.size;
      assert.ok(worker.leases.size <= worker.slots, 'a worker holds no more than its slots');
    }
    assert.equal(held, this.#state.leases.size, 'every lease is held by a worker that lives');
    for (const { shard } of this.#state.leases.values()) assert.ok(!shard.isDone, 'no lease of a shard that is done');
    for (const { phase } of this.#state.jobs.values()) {
      if (phase.kind !== 'computing') continue;
      const { shards, pending, remaining } = phase.batch;
      const leased = shards.filter(({ leases }) => leases.size > 0).length;
      assert.equal(pending.length + leased, remaining, 'every shard is pending, leased or done');
    }
  }
}

const expectedStory = [
  'initialize 0',
  ...Array.from({ length: 12 }, (_, s) => [
    `train ${s}`,
    ...([4, 9, 11].includes(s) ? [`evaluate ${s + 1}`] : []),
  ]).flat(),
];

for (const [name, seeds, workers] of [
  ['one worker', 10, 1],
  ['forty workers', 10, 40],
] as const) {
  test(`with ${name} under every fault, three jobs end with each step applied once and in order`, () => {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const simulation = new Simulation(seed, workers);
      try {
        simulation.run(3);
        for (const [jobId, story] of simulation.stories) {
          assert.deepEqual(story, expectedStory);
          assert.equal(simulation.ends.get(jobId), 'succeeded');
        }
      } catch (cause) {
        throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
      }
    }
  });
}
