// A simulated worker and its network: connects, sends heartbeats, computes in virtual time, holds
// its results, and connects again after every loss. Its character decides how it fails. Healthy
// workers fail only with the network and the machine.
import {
  defaultCoreOptions,
  type JobPlan,
  type Lease,
  type RequestLease,
  type WorkKind,
} from '../../coordinator/core/state.ts';
import type { Rng } from '../../shared/rng.ts';
import { requestAnswer, shardResult, spanResult } from './arithmetic.ts';
import type { CoordinatorSide, SimulatedCoordinator, SimulatedValue } from './simulated-coordinator.ts';
import type { VirtualTime } from './virtual-time.ts';

export type Character = 'healthy' | 'slow' | 'failing' | 'hostile' | 'silent';

export interface Network {
  /** Undefined while the coordinator is down. */
  coordinator(): SimulatedCoordinator | undefined;
  isPartitioned(workerId: string): boolean;
  /** Share of messages that are lost, duplicated or reordered. */
  readonly lossRate: number;
  readonly duplicationRate: number;
  nextConnection(): number;
}

export const heartbeatMs = 1_000;
const maxHeld = 64;

interface Stream extends CoordinatorSide {
  readonly coordinator: SimulatedCoordinator;
  isOpen: boolean;
}

export class SimulatedWorker {
  readonly workerId: string;
  readonly fingerprint: string;
  readonly slots: number;
  readonly computesSpans: boolean;
  readonly #character: Character;
  readonly #time: VirtualTime;
  readonly #rng: Rng;
  readonly #network: Network;
  #stream: Stream | undefined;
  #life = 0;
  #isUp = true;
  readonly #cancelled = new Set<string>();
  readonly #stopped = new Set<string>();
  /** Results by their work key. A held result is offered when its shard is leased again. */
  readonly #held = new Map<string, { readonly value: SimulatedValue; readonly offer: HeldOffer }>();
  /** Number of answers from held results, which needed no computation. */
  presented = 0;

  constructor(
    options: { workerId: string; fingerprint: string; slots: number; computesSpans: boolean; character: Character },
    time: VirtualTime,
    rng: Rng,
    network: Network,
  ) {
    this.workerId = options.workerId;
    this.fingerprint = options.fingerprint;
    this.slots = options.slots;
    this.computesSpans = options.computesSpans;
    this.#character = options.character;
    this.#time = time;
    this.#rng = rng;
    this.#network = network;
    this.#reconnectSoon();
  }

  /** The process dies and loses its held results. */
  kill(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#life += 1;
    this.#held.clear();
    // The coordinator hears of it at once, or only by missed heartbeats.
    this.#dropStream(this.#rng.uniform() < 0.5);
    this.#time.after(this.#rng.between(50, 4_000), () => {
      this.#isUp = true;
      this.#reconnectSoon();
    });
  }

  /** SIGTERM: tells the coordinator, finishes its shards and leaves. A new worker replaces it. */
  drain(): void {
    const stream = this.#stream;
    if (!stream?.isOpen) return;
    this.#toCoordinator(() => {
      const { workerId, connection } = stream;
      stream.coordinator.dispatch({ kind: 'workerDraining', at: stream.coordinator.at, workerId, connection });
    });
    this.#time.after(800, () => {
      if (this.#stream === stream) this.kill();
    });
  }

  cutStream(): void {
    this.#dropStream(this.#rng.uniform() < 0.7);
    this.#reconnectSoon();
  }

  #dropStream(isNoticed: boolean): void {
    const stream = this.#stream;
    this.#stream = undefined;
    if (!stream) return;
    stream.isOpen = false;
    if (isNoticed) stream.coordinator.disconnect(stream);
  }

  #reconnectSoon(): void {
    const life = this.#life;
    this.#time.after(this.#rng.between(20, 300), () => {
      if (this.#life !== life || !this.#isUp || this.#stream) return;
      const coordinator = this.#network.coordinator();
      if (!coordinator || this.#network.isPartitioned(this.workerId)) {
        this.#reconnectSoon();
        return;
      }
      this.#connect(coordinator);
    });
  }

  #connect(coordinator: SimulatedCoordinator): void {
    const stream: Stream = {
      coordinator,
      connection: this.#network.nextConnection(),
      workerId: this.workerId,
      isOpen: true,
      lease: (lease, params) => {
        // As it was sent: the batch of a span changes with its result.
        const work = lease.batch.work === 'span' ? spanWork(lease, params) : shardWork(lease, params);
        this.#toWorker(stream, () => this.#compute(stream, work));
      },
      request: (lease, input) => this.#toWorker(stream, () => this.#compute(stream, requestWork(lease, input))),
      cancel: (leaseId) => this.#toWorker(stream, () => this.#cancelled.add(leaseId)),
      stopSpan: (leaseId) => this.#toWorker(stream, () => this.#stopped.add(leaseId)),
      close: () => {
        stream.isOpen = false;
        if (this.#stream !== stream) return;
        this.#stream = undefined;
        if (this.#isUp) this.#reconnectSoon();
      },
    };
    this.#stream = stream;
    coordinator.connect(stream, this.fingerprint, this.slots, this.computesSpans);
    const { workerId, connection } = stream;
    const held = [...this.#held.values()].map(({ offer }) => offer);
    if (held.length > 0 && stream.isOpen) {
      coordinator.dispatch({ kind: 'resultsOffered', at: coordinator.at, workerId, connection, held });
    }
    this.#beat(stream, 0);
  }

  #beat(stream: Stream, missed: number): void {
    this.#time.after(heartbeatMs, () => {
      if (this.#stream !== stream) return;
      if (this.#network.isPartitioned(this.workerId)) {
        // No answers: the worker gives the stream up, as the coordinator would.
        if (missed >= 3) {
          this.cutStream();
          return;
        }
        this.#beat(stream, missed + 1);
        return;
      }
      const { workerId, connection, coordinator } = stream;
      if (this.#rng.uniform() >= this.#network.lossRate) {
        coordinator.dispatch({ kind: 'workerSeen', at: coordinator.at, workerId, connection });
      }
      this.#beat(stream, 0);
    });
  }

  #toWorker(stream: Stream, deliver: () => void): void {
    if (this.#isLost()) return;
    this.#time.after(this.#delayMs(), () => {
      if (this.#stream === stream && !this.#network.isPartitioned(this.workerId)) deliver();
    });
  }

  #toCoordinator(deliver: () => void): void {
    if (this.#isLost()) return;
    const copies = this.#rng.uniform() < this.#network.duplicationRate ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.#time.after(this.#delayMs(), () => {
        // A broken stream may still deliver until the coordinator notices.
        if (!this.#network.isPartitioned(this.workerId)) deliver();
      });
    }
  }

  #isLost(): boolean {
    return this.#rng.uniform() < this.#network.lossRate;
  }

  /** Mostly short. A slow message is overtaken by later ones. */
  #delayMs(): number {
    return this.#rng.uniform() < 0.05 ? this.#rng.between(20, 900) : this.#rng.between(0.1, 4);
  }

  #compute(stream: Stream, work: Work): void {
    const { leaseId, key, value, offer, spanOf } = work;
    const held = this.#held.get(key);
    if (held) {
      this.presented += 1;
      this.#send(stream, leaseId, held.value, true, true);
      return;
    }
    const isFaulty = this.#rng.uniform() < 0.8;
    if (this.#character === 'silent' && isFaulty) return;
    const usualMs = this.#rng.between(30, 120) * (this.#character === 'slow' ? 12 : 1);
    const startMs = this.#rng.uniform() < 0.03 ? this.#start(stream, leaseId) : 0;
    const finish = (made: SimulatedValue) => {
      if (this.#character === 'failing' && isFaulty) {
        this.#fail(stream, leaseId, { code: 'INTERNAL', message: 'simulated failure', isPermanent: false });
        return;
      }
      const isValid = !(this.#character === 'hostile' && isFaulty);
      if (isValid && offer) {
        this.#held.set(key, { value: made, offer });
        if (this.#held.size > maxHeld) this.#held.delete(this.#held.keys().next().value as string);
      }
      if (this.#cancelled.delete(leaseId)) return;
      this.#send(stream, leaseId, made, isValid, false);
    };
    if (spanOf) this.#computeSpan(stream, work, startMs, finish);
    else this.#afterLife(startMs + usualMs, () => finish(value));
  }

  #afterLife(delayMs: number, run: () => void): void {
    const life = this.#life;
    this.#time.after(delayMs, () => {
      if (this.#life === life) run();
    });
  }

  /**
   * One meta-step after another, until the time is over, the worker is told to stop, or numbers are
   * not finite.
   */
  #computeSpan(stream: Stream, work: Work, startMs: number, finish: (made: SimulatedValue) => void): void {
    const { leaseId, spanOf } = work;
    if (!spanOf) return;
    const { plan, params, step, maxSteps } = spanOf;
    const stepMs = this.#rng.between(4, 60) * (this.#character === 'slow' ? 12 : 1);
    const goodSteps = this.#rng.uniform() < 0.1 ? this.#rng.below(4) : maxSteps;
    const next = (steps: number) => {
      const isOver = steps * stepMs >= spanMs || this.#stopped.has(leaseId) || this.#cancelled.has(leaseId);
      if (steps === maxSteps || steps === goodSteps || (steps > 0 && isOver)) {
        this.#stopped.delete(leaseId);
        const reason = { code: 'RESULT_NOT_FINITE', message: 'simulated', isPermanent: true };
        if (steps === 0) this.#fail(stream, leaseId, reason);
        else finish(spanResult(params, plan, step, steps));
        return;
      }
      this.#afterLife(stepMs, () => next(steps + 1));
    };
    this.#afterLife(startMs, () => next(0));
  }

  #fail(stream: Stream, leaseId: string, reason: { code: string; message: string; isPermanent: boolean }): void {
    if (this.#cancelled.delete(leaseId)) return;
    this.#toCoordinator(() => {
      const { workerId, connection, coordinator } = stream;
      const from = { at: coordinator.at, workerId, connection, leaseId };
      coordinator.dispatch({ kind: 'shardFailed', ...from, ...reason, isRejected: false });
    });
  }

  /**
   * Compiles for longer than many leases last.
   *
   * @returns the time that it takes.
   */
  #start(stream: Stream, leaseId: string): number {
    const startMs = this.#rng.between(100, 15_000);
    const isReopening = this.#rng.uniform() < 0.5;
    const life = this.#life;
    const tell = (isStarting: boolean) =>
      this.#toCoordinator(() => {
        const { workerId, connection, coordinator } = stream;
        const from = { at: coordinator.at, workerId, connection, leaseId };
        coordinator.dispatch({ kind: 'shardProgressed', ...from, isStarting, isReopening });
      });
    tell(true);
    this.#time.after(startMs, () => {
      if (this.#life === life) tell(false);
    });
    return startMs;
  }

  #send(stream: Stream, leaseId: string, value: SimulatedValue, isValid: boolean, isPresentedAgain: boolean): void {
    this.#toCoordinator(() => stream.coordinator.result(stream, { leaseId, value, isValid, isPresentedAgain }));
  }
}

/** What a lease asks for, with what an honest worker answers. */
interface Work {
  readonly leaseId: string;
  readonly key: string;
  readonly value: number;
  /** Undefined: it is not kept for later. */
  readonly offer: HeldOffer | undefined;
  /** Of a span; its value is made step by step. */
  readonly spanOf?: {
    readonly plan: JobPlan;
    readonly params: number;
    readonly step: number;
    readonly maxSteps: number;
  };
}

const spanMs = defaultCoreOptions.spanMs;

const spanWork = (lease: Lease, params: number): Work => {
  const { plan } = lease.job;
  const { step, steps: maxSteps } = lease.batch;
  const work = shardWork(lease, params);
  return { ...work, key: `${work.key}/${maxSteps}`, spanOf: { plan, params, step, maxSteps } };
};

const shardWork = ({ leaseId, shard, batch, job }: Lease, params: number): Work => ({
  leaseId,
  key: `${job.plan.jobId}/${batch.work}/${params}/${shard.firstTask}/${shard.taskCount}`,
  value: shardResult(params, shard.firstTask, shard.taskCount),
  offer: { jobId: job.plan.jobId, work: batch.work, step: batch.step, shard: shard.index },
});

const requestWork = ({ leaseId, request }: RequestLease, input: number): Work => ({
  leaseId,
  key: `request/${request.plan.requestId}`,
  value: requestAnswer(input),
  offer: undefined,
});

type HeldOffer = { jobId: string; work: WorkKind; step: number; shard: number };
