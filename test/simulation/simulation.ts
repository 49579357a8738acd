// A whole cluster on virtual time from one seed: hundreds of workers of every character, clients
// that submit, pause and cancel, requests among the jobs, and every fault: loss, delay, duplication, reordering, partitions,
// crashes of both sides, pauses of the coordinator, disks that fill and tear. Passes when every job
// ends as it must, every successful job has exactly the numbers of a run without a cluster, and every
// request is answered once and rightly, or refused with a reason.
import assert from 'node:assert/strict';
import { defaultCoreOptions, type JobPlan } from '../../coordinator/core/state.ts';
import { type Rng, taskRng } from '../../shared/rng.ts';
import { requestAnswer, seedOf, undisturbed } from './arithmetic.ts';
import { type RequestEnd, SimulatedCoordinator } from './simulated-coordinator.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { type Character, heartbeatMs, SimulatedWorker } from './simulated-worker.ts';
import { VirtualTime } from './virtual-time.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly workers: number;
}

export interface SimulationReport {
  readonly faults: number;
  readonly coordinatorLives: number;
  readonly shardsCounted: number;
  readonly stepsProved: number;
  readonly resultsPresentedAgain: number;
  readonly quarantines: number;
  /** Spans counted, and those of them that ended early since somebody who comes first waited. */
  readonly spans: number;
  readonly spansStopped: number;
  readonly requestsAnswered: number;
  /** Withdrawn, late, too many, or lost with the coordinator. */
  readonly requestsRefused: number;
  readonly virtualSeconds: number;
}

/** Virtual time within which every job must have ended: far more than the faults can cost. */
const horizonMs = 3_600_000;

/** @throws with the violated claim. */
export function simulate(options: SimulationOptions): SimulationReport {
  return new Simulation(options).run();
}

/** What was asked, and how it ended. */
interface Asked {
  readonly input: number;
  /** One, at the end. */
  readonly ends: RequestEnd[];
}

class Simulation {
  readonly #rng: Rng;
  readonly #requestRng: Rng;
  readonly #spanRng: Rng;
  readonly #time = new VirtualTime();
  readonly #disk = new SimulatedDisk();
  readonly #workers: SimulatedWorker[] = [];
  readonly #partitioned = new Set<string>();
  readonly #plans = new Map<string, JobPlan>();
  readonly #cancelled = new Set<string>();
  readonly #asked: Asked[] = [];
  #coordinator: SimulatedCoordinator | undefined;
  #connections = 0;
  #lives = 0;
  #faults = 0;
  #counted = 0;
  #proved = 0;
  #quarantines = 0;
  #spans = 0;
  #spansStopped = 0;

  constructor({ seed, workers }: SimulationOptions) {
    this.#rng = taskRng(seed, 'simulation', 0);
    this.#requestRng = taskRng(seed, 'requests', 0);
    this.#spanRng = taskRng(seed, 'spans', 0);
    this.#startCoordinator();
    const isLossy = this.#rng.uniform() < 0.5;
    const network = {
      coordinator: () => this.#coordinator,
      isPartitioned: (workerId: string) => this.#partitioned.has(workerId),
      lossRate: isLossy ? 0.01 : 0,
      duplicationRate: 0.02,
      nextConnection: () => {
        this.#connections += 1;
        return this.#connections;
      },
    };
    for (let i = 0; i < workers; i += 1) {
      const setup = {
        workerId: `w${i}`,
        // The first worker is healthy and has the common fingerprint: progress is guaranteed while
        // such a worker exists.
        fingerprint: i > 0 && this.#rng.uniform() < 0.1 ? 'engine/b' : 'engine/a',
        slots: 1 + this.#rng.below(2),
        computesSpans: this.#spanRng.uniform() < 0.8,
        character: i === 0 ? ('healthy' as const) : this.#someCharacter(),
      };
      this.#workers.push(new SimulatedWorker(setup, this.#time, this.#rng, network));
    }
  }

  run(): SimulationReport {
    const jobs = 3 + this.#rng.below(3);
    for (let i = 0; i < jobs; i += 1) this.#time.after(i * this.#rng.between(0, 1_500), () => this.#submit(`job-${i}`));
    this.#time.after(1, () => this.#disturb());
    this.#time.after(1, () => this.#ask());
    const isAsking = () => this.#asked.some(({ ends }) => ends.length === 0);
    while (this.#plans.size < jobs || !this.#isOver() || isAsking()) {
      assert.ok(this.#time.now < horizonMs, `no progress: ${this.#describeJobs()}`);
      assert.ok(this.#time.advance(), 'time goes on');
    }
    this.#retireCoordinator();
    for (const [jobId, plan] of this.#plans) this.#checkEnd(jobId, plan);
    const requestsAnswered = this.#checkRequests();
    return {
      requestsAnswered,
      requestsRefused: this.#asked.length - requestsAnswered,
      faults: this.#faults,
      coordinatorLives: this.#lives,
      shardsCounted: this.#counted,
      stepsProved: this.#proved,
      resultsPresentedAgain: this.#workers.reduce((sum, { presented }) => sum + presented, 0),
      quarantines: this.#quarantines,
      spans: this.#spans,
      spansStopped: this.#spansStopped,
      virtualSeconds: this.#time.now / 1_000,
    };
  }

  #someCharacter(): Character {
    const chance = this.#rng.uniform();
    if (chance < 0.85) return 'healthy';
    if (chance < 0.9) return 'slow';
    if (chance < 0.94) return 'failing';
    return chance < 0.97 ? 'hostile' : 'silent';
  }

  #submit(jobId: string): void {
    if (!this.#coordinator) {
      this.#time.after(100, () => this.#submit(jobId));
      return;
    }
    const spans = this.#someSpans();
    const plan: JobPlan = {
      jobId,
      iterations: 3 + this.#rng.below(5) + (spans.mode === 'never' ? 0 : this.#spanRng.below(30)),
      batchSize: 20 + this.#rng.below(140),
      shardSize: 2 + this.#rng.below(4),
      evaluation: {
        every: this.#rng.below(4),
        tasks: 10 + this.#rng.below(60),
        shardSize: 1 + this.#rng.below(4),
        hasEnsemble: this.#rng.below(3) === 0,
      },
      checkpointEvery: this.#rng.below(4),
      isMixed: this.#rng.uniform() < 0.2,
      onNonFinite: 'fail',
      priority: this.#rng.below(3),
      engine: 'compiled/cpu',
      plugins: [],
      maxStaleness: this.#rng.uniform() < 0.25 ? 1 + this.#rng.below(3) : 0,
    };
    this.#plans.set(jobId, plan.maxStaleness > 0 ? plan : { ...plan, spans });
    this.#coordinator.submit(this.#plans.get(jobId)!);
  }

  #someSpans(): NonNullable<JobPlan['spans']> {
    const modes = ['never', 'auto', 'always'] as const;
    return { mode: modes[this.#spanRng.below(3)]!, maxSteps: 1 + this.#spanRng.below(40) };
  }

  /** A few requests at once, and after a while the next, as long as there are jobs. */
  #ask(): void {
    if (this.#isOver() && this.#plans.size > 0) return;
    const rng = this.#requestRng;
    const pauseMs = 100 + this.#time.now / 20;
    this.#time.after(rng.between(0.2, 1.8) * pauseMs, () => this.#ask());
    const coordinator = this.#coordinator;
    if (!coordinator) return;
    for (let more = rng.below(6); more >= 0; more -= 1) {
      const requestId = `request-${this.#asked.length}`;
      const asked: Asked = { input: seedOf(requestId), ends: [] };
      this.#asked.push(asked);
      const plan = {
        requestId,
        work: rng.uniform() < 0.5 ? ('adapt' as const) : ('predict' as const),
        learnerId: `learner-${rng.below(3)}`,
        engine: rng.uniform() < 0.03 ? 'eager/cpu' : 'compiled/cpu',
        plugins: [],
        patienceMs: rng.between(200, 30_000),
      };
      coordinator.ask(plan, asked.input, (end) => asked.ends.push(end));
      if (rng.uniform() < 0.1) this.#time.after(rng.between(1, 500), () => coordinator.withdraw(requestId));
    }
  }

  /** @returns how many were answered. */
  #checkRequests(): number {
    let answered = 0;
    for (const [number, { input, ends }] of this.#asked.entries()) {
      assert.equal(ends.length, 1, `request-${number} ends once`);
      const [end] = ends;
      if (end && 'answer' in end) {
        assert.equal(end.answer, requestAnswer(input), `request-${number} has its own answer`);
        answered += 1;
      } else {
        assert.match(end?.reason ?? '', /./, `request-${number} is refused with a reason`);
      }
    }
    return answered;
  }

  #startCoordinator(): void {
    this.#lives += 1;
    const options = {
      ...defaultCoreOptions,
      startId: `life${this.#lives}`,
      heartbeatIntervalMs: heartbeatMs,
      leaseFloorMs: 5_000,
      leaseFirstMs: 6_000,
      startCeilingMs: 10_000,
      duplicateFloorMs: 100,
      recoveryCheckpointMs: 2_000,
      maxRunningJobs: 3,
      maxRequests: 12,
      // Faults are thousands of times more frequent than in real use. Other tests cover a job that
      // fails on every worker.
      workersToFailShard: 30,
      attemptsToFailShard: 500,
    };
    this.#coordinator = new SimulatedCoordinator(options, this.#time, this.#rng, this.#disk);
  }

  #retireCoordinator(): void {
    const coordinator = this.#coordinator;
    if (!coordinator) return;
    this.#counted += coordinator.counted;
    this.#proved += coordinator.proved;
    this.#spans += coordinator.spans;
    this.#spansStopped += coordinator.spansStopped;
    for (const { quarantines } of coordinator.state.health.values()) this.#quarantines += quarantines;
    this.#coordinator = undefined;
    coordinator.crash();
  }

  /** Makes one fault and schedules the next. Faults become rarer, so that every run ends. */
  #disturb(): void {
    if (this.#isOver() && this.#plans.size > 0) return;
    const pauseMs = 150 + this.#time.now / 40;
    this.#time.after(this.#rng.between(0.2, 1.8) * pauseMs, () => this.#disturb());
    this.#faults += 1;
    const worker = this.#workers[this.#rng.below(this.#workers.length)]!;
    const chance = this.#rng.uniform();
    if (chance < 0.25) worker.kill();
    else if (chance < 0.4) worker.cutStream();
    else if (chance < 0.5) worker.drain();
    else if (chance < 0.6) this.#partition();
    else if (chance < 0.68) this.#crashCoordinator();
    else if (chance < 0.76) this.#coordinator?.standStill(this.#rng.between(0, 30_000));
    else if (chance < 0.82) this.#fillDisk();
    else if (chance < 0.86) this.#tearCheckpoint();
    else if (chance < 0.96) this.#pauseJob();
    else this.#cancelJob();
  }

  /** Cuts off a part of the cluster, now and then all of it, for a while. */
  #partition(): void {
    const share = this.#rng.uniform() < 0.1 ? 1 : this.#rng.between(0, 0.4);
    const cut = this.#workers.map(({ workerId }) => workerId).filter(() => this.#rng.uniform() < share);
    for (const workerId of cut) this.#partitioned.add(workerId);
    this.#time.after(this.#rng.between(100, 6_000), () => {
      for (const workerId of cut) this.#partitioned.delete(workerId);
    });
  }

  #crashCoordinator(): void {
    if (!this.#coordinator) return;
    this.#retireCoordinator();
    this.#time.after(this.#rng.between(50, 3_000), () => this.#startCoordinator());
  }

  #fillDisk(): void {
    this.#disk.isFull = true;
    this.#time.after(this.#rng.between(100, 1_500), () => {
      this.#disk.isFull = false;
    });
  }

  #tearCheckpoint(): void {
    for (const { checkpoints } of this.#disk.jobs.values()) {
      const newest = checkpoints.at(-1);
      // The checkpoint before it must be readable.
      if (newest && checkpoints.length > 1 && !checkpoints.at(-2)?.isTorn) newest.isTorn = true;
    }
  }

  #pauseJob(): void {
    const jobId = `job-${this.#rng.below(5)}`;
    this.#coordinator?.request('jobPauseRequested', jobId);
    const resume = () => {
      if (this.#disk.jobs.get(jobId)?.state !== 'paused') return;
      this.#coordinator?.request('jobResumeRequested', jobId);
      this.#time.after(500, resume);
    };
    this.#time.after(this.#rng.between(50, 2_000), resume);
  }

  #cancelJob(): void {
    const jobId = `job-${this.#rng.below(5)}`;
    const saved = this.#disk.jobs.get(jobId);
    if (!this.#coordinator || !saved || this.#hasEnded(saved.state)) return;
    this.#coordinator.request('jobCancelRequested', jobId);
    this.#cancelled.add(jobId);
  }

  #hasEnded = (state: string): boolean => state === 'succeeded' || state === 'failed' || state === 'cancelled';

  #isOver(): boolean {
    for (const { state } of this.#disk.jobs.values()) if (!this.#hasEnded(state)) return false;
    return true;
  }

  #describeJobs(): string {
    return [...this.#disk.jobs.values()].map(({ plan, state }) => `${plan.jobId} ${state}`).join(', ');
  }

  #checkEnd(jobId: string, plan: JobPlan): void {
    const saved = this.#disk.jobs.get(jobId);
    assert.ok(saved, `job ${jobId} is on the disk`);
    if (this.#cancelled.has(jobId)) {
      assert.equal(saved.state, 'cancelled', `job ${jobId} ended: ${saved.reason}`);
      return;
    }
    assert.equal(saved.state, 'succeeded', `job ${jobId} ended: ${saved.reason}`);
    if (plan.maxStaleness > 0) {
      assert.equal(saved.final?.step, plan.iterations, 'every meta-step is applied');
      return;
    }
    const expected = undisturbed(plan);
    assert.deepEqual(
      {
        params: saved.final?.params,
        chain: saved.final?.chain,
        evaluations: Object.fromEntries([...saved.evaluations].sort(([a], [b]) => a - b)),
      },
      expected,
      `job ${jobId} has the bytes of an undisturbed run`,
    );
  }
}
