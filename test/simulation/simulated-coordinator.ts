// One life of a coordinator around the real core: does what the runner does, with numbers for
// tensors and a simulated disk. `crash` ends it, and the next life reads the disk.
import assert from 'node:assert/strict';
import type { CoreEffect } from '../../coordinator/core/effect.ts';
import type { CoreEvent } from '../../coordinator/core/event.ts';
import {
  anyLeaseOf,
  type CoreOptions,
  createState,
  type JobPlan,
  type Lease,
  leaseOf,
  type RequestLease,
  type RequestPlan,
  type Shard,
  workOf,
} from '../../coordinator/core/state.ts';
import { step } from '../../coordinator/core/step.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { Rng } from '../../shared/rng.ts';
import { mix, reduce, seedOf, shardResult, spanResult } from './arithmetic.ts';
import { checkClaims, checkGrants, checkNobodyIdles, checkState } from './invariants.ts';
import type { SavedJob, SavedTraining, SimulatedDisk } from './simulated-disk.ts';
import type { VirtualTime } from './virtual-time.ts';

const lookEveryMs = 1_000;

/** The coordinator's side of a worker's stream. */
export interface CoordinatorSide {
  readonly connection: number;
  readonly workerId: string;
  lease(lease: Lease, params: number): void;
  request(lease: RequestLease, input: number): void;
  cancel(leaseId: string): void;
  stopSpan(leaseId: string): void;
  close(): void;
}

/** What became of a request: the number that it was answered with, or why it was not. */
export type RequestEnd = { readonly answer: number } | { readonly reason: string };

interface LiveRequest {
  readonly input: number;
  readonly onEnd: (end: RequestEnd) => void;
}

interface LiveJob {
  readonly saved: SavedJob;
  training: SavedTraining | undefined;
  /**
   * By the step that they update and the kind of batch: an evaluation's step has a meta-batch, too.
   */
  readonly results: Map<string, SimulatedValue[]>;
}

/** Of a span θ after each of its meta-steps. */
export type SimulatedValue = number | readonly number[];

export interface SimulatedResult {
  readonly leaseId: string;
  readonly value: SimulatedValue;
  /** False for a result that was damaged or invented: the check of hashes and shapes finds it. */
  readonly isValid: boolean;
  readonly isPresentedAgain: boolean;
}

export class SimulatedCoordinator {
  readonly state;
  readonly #time: VirtualTime;
  readonly #rng: Rng;
  readonly #disk: SimulatedDisk;
  readonly #jobs = new Map<string, LiveJob>();
  readonly #requests = new Map<string, LiveRequest>();
  readonly #links = new Map<number, CoordinatorSide>();
  readonly #counted = new WeakSet<Shard>();
  readonly #events: { readonly event: CoreEvent; readonly value: SimulatedValue | undefined }[] = [];
  #isStepping = false;
  #isDead = false;
  #stoodStillMs = 0;
  /** Shards counted, and meta-steps that were applied again after a restart with equal results. */
  counted = 0;
  proved = 0;
  /** Spans counted, and those of them that were told to end early. */
  spans = 0;
  spansStopped = 0;

  constructor(options: CoreOptions, time: VirtualTime, rng: Rng, disk: SimulatedDisk) {
    this.state = createState(options);
    this.#time = time;
    this.#rng = rng;
    this.#disk = disk;
    for (const saved of disk.jobs.values()) this.#restore(saved);
    this.#tick();
    this.#lookAtDisk();
  }

  get at(): number {
    return this.#time.now + this.#stoodStillMs;
  }

  /** Stops the process for so long. Events of that time are still unread at its end. */
  standStill(forMs: number): void {
    this.#stoodStillMs += forMs;
  }

  crash(): void {
    this.#isDead = true;
    for (const requestId of this.#requests.keys()) this.#endRequest(requestId, { reason: 'the coordinator crashed' });
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  submit(plan: JobPlan): void {
    const saved: SavedJob = {
      plan,
      state: 'queued',
      waitsForRoom: false,
      reason: '',
      hasStarted: false,
      fingerprint: undefined,
      checkpoints: [],
      evaluations: new Map(),
      chainHead: undefined,
      final: undefined,
    };
    this.#disk.jobs.set(plan.jobId, saved);
    this.#jobs.set(plan.jobId, { saved, training: undefined, results: new Map() });
    this.dispatch({ kind: 'jobSubmitted', at: this.at, plan });
  }

  /** @param input what the request brings. */
  ask(plan: RequestPlan, input: number, onEnd: (end: RequestEnd) => void): void {
    this.#requests.set(plan.requestId, { input, onEnd });
    try {
      this.dispatch({ kind: 'requestSubmitted', at: this.at, plan });
    } catch (thrown) {
      if (!(thrown instanceof MetatrainError)) throw thrown;
      this.#endRequest(plan.requestId, { reason: thrown.code });
    }
  }

  withdraw(requestId: string): void {
    if (!this.#requests.has(requestId)) return;
    this.dispatch({ kind: 'requestCancelled', at: this.at, requestId });
    this.#endRequest(requestId, { reason: 'withdrawn' });
  }

  #endRequest(requestId: string, end: RequestEnd): void {
    const { onEnd } = this.#requests.get(requestId) ?? assert.fail(`request ${requestId} ends twice`);
    this.#requests.delete(requestId);
    onEnd(end);
  }

  request(kind: 'jobCancelRequested' | 'jobPauseRequested' | 'jobResumeRequested', jobId: string): void {
    const job = this.#jobs.get(jobId);
    if (!job || (kind === 'jobResumeRequested' && (job.saved.state !== 'paused' || job.saved.waitsForRoom))) return;
    this.dispatch({ kind, at: this.at, jobId });
  }

  connect(link: CoordinatorSide, fingerprint: string, slots: number, computesSpans: boolean): void {
    this.#links.set(link.connection, link);
    const { workerId, connection } = link;
    this.dispatch({
      kind: 'workerConnected',
      at: this.at,
      workerId,
      connection,
      engine: 'compiled/cpu',
      fingerprint,
      plugins: [],
      slots,
      computesSpans,
    });
  }

  disconnect({ workerId, connection }: CoordinatorSide): void {
    if (!this.#links.delete(connection)) return;
    this.dispatch({ kind: 'workerDisconnected', at: this.at, workerId, connection, reason: 'the stream was lost' });
  }

  result(link: CoordinatorSide, { leaseId, value, isValid, isPresentedAgain }: SimulatedResult): void {
    const { workerId, connection } = link;
    const from = { at: this.at, workerId, connection, leaseId };
    const lease = this.state.leases.get(leaseId);
    if (!lease || lease.worker.connection !== connection) {
      this.dispatch({ kind: 'lateResultArrived', ...from });
      return;
    }
    if (!isValid) {
      const message = 'the payload has another hash than its name';
      this.dispatch({
        kind: 'shardFailed',
        ...from,
        code: 'REQUEST_INVALID',
        message,
        isPermanent: false,
        isRejected: true,
      });
      return;
    }
    const steps = typeof value === 'number' ? {} : { steps: value.length };
    const arrived = { work: workOf(lease), nonFiniteTasks: [], isPresentedAgain, ...steps };
    this.dispatch({ kind: 'resultArrived', ...from, ...arrived }, value);
  }

  dispatch(event: CoreEvent, value?: SimulatedValue): void {
    if (this.#isDead) return;
    this.#events.push({ event, value });
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift()) {
        const effects = step(this.state, next.event);
        // A `workerSeen` event changes no lease.
        if (next.event.kind !== 'workerSeen') {
          checkState(this.state);
          checkGrants(this.state, effects);
        }
        if (next.event.kind === 'tick') checkNobodyIdles(this.state);
        if (next.event.kind === 'tick') checkClaims(this.state);
        for (const effect of effects) this.#perform(effect, next.value);
      }
    } finally {
      this.#isStepping = false;
    }
  }

  #tick(): void {
    if (this.#isDead) return;
    this.dispatch({ kind: 'tick', at: this.at });
    this.#time.after(500, () => this.#tick());
  }

  #lookAtDisk(): void {
    if (this.#isDead) return;
    if (this.#disk.isFull) this.dispatch({ kind: 'roomMissing', at: this.at, neededBytes: 1, reason: 'for anything' });
    else this.dispatch({ kind: 'roomSeen', at: this.at, freeBytes: 1 });
    this.#time.after(lookEveryMs, () => this.#lookAtDisk());
  }

  #restore(saved: SavedJob): void {
    if (saved.final || ['succeeded', 'failed', 'cancelled'].includes(saved.state)) return;
    const had = saved.checkpoints.length;
    while (saved.checkpoints.at(-1)?.isTorn) saved.checkpoints.pop();
    const newest = saved.checkpoints.at(-1)?.training;
    if (had > 0 && !newest) {
      saved.state = 'failed';
      saved.reason = 'CHECKPOINT_CORRUPT';
      return;
    }
    this.#jobs.set(saved.plan.jobId, { saved, training: newest, results: new Map() });
    this.dispatch({
      kind: 'jobRestored',
      at: this.at,
      plan: saved.plan,
      step: newest?.step ?? 0,
      hasParams: newest !== undefined,
      hasStarted: saved.hasStarted,
      isPaused: saved.state === 'paused' && !saved.waitsForRoom,
      fingerprint: saved.fingerprint,
      evaluatedSteps: [...saved.evaluations.keys()].filter((step) => step <= saved.plan.iterations),
      hasEnsemble: saved.evaluations.has(saved.plan.iterations + 1),
      hasFinalCheckpoint: newest?.step === saved.plan.iterations,
      leftOut: [],
    });
  }

  #perform(effect: CoreEffect, value: SimulatedValue | undefined): void {
    switch (effect.kind) {
      case 'sendLease': {
        const lease = anyLeaseOf(this.state, effect.leaseId);
        if (lease.kind === 'request') {
          const { requestId } = lease.request.plan;
          const { input } = this.#requests.get(requestId) ?? assert.fail(`${requestId} is leased after its end`);
          this.#links.get(lease.worker.connection)?.request(lease, input);
          break;
        }
        const job = this.#jobOf(lease.job.plan.jobId);
        const params = job.training?.params ?? seedOf(lease.job.plan.jobId);
        this.#links.get(lease.worker.connection)?.lease(lease, params);
        break;
      }
      case 'cancelLease': {
        const { worker } = anyLeaseOf(this.state, effect.leaseId);
        this.#links.get(worker.connection)?.cancel(effect.leaseId);
        break;
      }
      case 'stopSpan': {
        const { worker } = leaseOf(this.state, effect.leaseId);
        this.#links.get(worker.connection)?.stopSpan(effect.leaseId);
        break;
      }
      case 'disconnectWorker': {
        const link = this.#links.get(effect.connection);
        this.#links.delete(effect.connection);
        link?.close();
        break;
      }
      case 'keepResult':
        this.#keep(leaseOf(this.state, effect.leaseId), value);
        break;
      case 'reduce':
        this.#reduce(effect);
        break;
      case 'loadEnsemble':
        this.#loadEnsemble(effect.jobId);
        break;
      case 'writeCheckpoint':
        this.#writeCheckpoint(effect.jobId);
        break;
      case 'changeJobState': {
        const job = this.#jobOf(effect.jobId);
        const { saved } = job;
        assert.ok(!['succeeded', 'failed', 'cancelled'].includes(saved.state), 'a job ends once');
        saved.state = effect.state;
        saved.waitsForRoom = effect.waitsForRoom ?? false;
        saved.reason = effect.failure?.code ?? effect.reason;
        if (effect.state === 'running') saved.hasStarted = true;
        if (['succeeded', 'failed', 'cancelled'].includes(effect.state)) {
          saved.final = job.training;
          this.#jobs.delete(effect.jobId);
        }
        break;
      }
      case 'requestDone':
        assert.ok(typeof value === 'number', 'a request is answered when a result comes');
        this.#endRequest(effect.requestId, { answer: value });
        break;
      case 'requestFailed':
        this.#endRequest(effect.requestId, { reason: `${effect.code}: ${effect.message}` });
        break;
      case 'dropResult':
      case 'reportRetry':
      case 'reportQuarantine':
      case 'reportLetBack':
      case 'reportWait':
        break;
      default:
        effect satisfies never;
    }
  }

  #keep({ job, shard, batch, worker, isStopped }: Lease, value: SimulatedValue | undefined): void {
    assert.ok(value !== undefined, 'a result is kept when it comes');
    assert.ok(!this.#counted.has(shard), 'a shard counts once');
    this.#counted.add(shard);
    this.counted += 1;
    const live = this.#jobOf(job.plan.jobId);
    live.saved.fingerprint ??= worker.fingerprint;
    if (job.plan.maxStaleness === 0) {
      const params = live.training?.params ?? seedOf(job.plan.jobId);
      const expected =
        batch.work === 'span'
          ? spanResult(params, job.plan, batch.step, batch.steps)
          : shardResult(params, shard.firstTask, shard.taskCount);
      assert.deepEqual(value, expected, 'a result is of the present parameters');
      const step = (live.training?.step ?? 0) + (batch.members ? 1 : 0);
      assert.equal(batch.step, step, 'a result is of the present meta-step');
    }
    const key = `${batch.work} ${batch.step}`;
    const results = live.results.get(key) ?? [];
    live.results.set(key, results);
    results[shard.index] = value;
    if (batch.work !== 'span') return;
    this.spans += 1;
    if (isStopped) this.spansStopped += 1;
  }

  #reduce({ jobId, work, step }: Extract<CoreEffect, { kind: 'reduce' }>): void {
    const job = this.#jobOf(jobId);
    const { saved } = job;
    const before = job.training;
    const key = `${work} ${step}`;
    const results = job.results.get(key) ?? assert.fail('no result of this batch was kept');
    job.results.delete(key);
    if (work === 'span') {
      const [steps] = results;
      assert.ok(typeof steps === 'object', 'a span has its meta-steps');
      for (const params of steps) this.#applyStep(job, params);
      this.dispatch({ kind: 'reduced', at: this.at, jobId });
      return;
    }
    const reduced = reduce(
      before?.params ?? seedOf(jobId),
      results.map((result) => (typeof result === 'number' ? result : assert.fail('a shard is missing'))),
    );
    if (work === 'evaluate') {
      saved.evaluations.set(step, reduced);
    } else {
      this.#applyStep(job, reduced);
    }
    this.dispatch({ kind: 'reduced', at: this.at, jobId });
  }

  #applyStep(job: LiveJob, params: number): void {
    const before = job.training;
    const step = before === undefined ? 0 : before.step + 1;
    job.training = { step, params, chain: mix(before?.chain ?? 0, params) };
    this.#proveOrExtend(job.saved, job.training);
  }

  /**
   * Meta-steps that were applied before a crash must give equal bytes when they are applied again.
   */
  #proveOrExtend(saved: SavedJob, { step: applied, chain }: SavedTraining): void {
    const head = saved.chainHead;
    if (head && applied === head.step && saved.plan.maxStaleness === 0) {
      assert.equal(chain, head.chain, 'a meta-step that is applied again gives the same bytes');
      this.proved += 1;
    }
    // Stored only now and then, as records are.
    if ((!head || applied > head.step) && this.#rng.uniform() < 0.5) saved.chainHead = { step: applied, chain };
  }

  #loadEnsemble(jobId: string): void {
    const { saved } = this.#jobOf(jobId);
    this.#time.after(this.#rng.between(1, 60), () => {
      if (this.#isDead) return;
      this.dispatch({ kind: 'ensembleLoaded', at: this.at, jobId, members: [saved.plan.iterations] });
    });
  }

  #writeCheckpoint(jobId: string): void {
    const job = this.#jobOf(jobId);
    const { training, saved } = job;
    assert.ok(training);
    const write = () => {
      if (this.#isDead) return;
      if (this.#disk.isFull) {
        this.dispatch({ kind: 'roomMissing', at: this.at, jobId, neededBytes: 1, reason: 'for its checkpoint' });
        this.#time.after(lookEveryMs, write);
        return;
      }
      saved.checkpoints = [...saved.checkpoints, { training, isTorn: false }].slice(-3);
      this.dispatch({ kind: 'checkpointWritten', at: this.at, jobId, step: training.step });
    };
    this.#time.after(this.#rng.between(1, 60), write);
  }

  #jobOf(jobId: string): LiveJob {
    return this.#jobs.get(jobId) ?? assert.fail(`the core speaks of job ${jobId}, which is not open`);
  }
}
