// A simulated worker and its network: connects, sends heartbeats, computes in virtual time, holds
// its results, and connects again after every loss. Its character decides how it fails. Healthy
// workers fail only with the network and the machine.
import type { Lease, RequestLease } from '../../coordinator/core/state.ts';
import type { Rng } from '../../shared/rng.ts';
import { requestAnswer, shardResult } from './arithmetic.ts';
import type { CoordinatorSide, SimulatedCoordinator } from './simulated-coordinator.ts';
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
  readonly #character: Character;
  readonly #time: VirtualTime;
  readonly #rng: Rng;
  readonly #network: Network;
  #stream: Stream | undefined;
  #life = 0;
  #isUp = true;
  readonly #cancelled = new Set<string>();
  /** Results by their work key. A held result is offered when its shard is leased again. */
  readonly #held = new Map<string, { readonly value: number; readonly offer: HeldOffer }>();
  /** Number of answers from held results, which needed no computation. */
  presented = 0;

  constructor(
    options: { workerId: string; fingerprint: string; slots: number; character: Character },
    time: VirtualTime,
    rng: Rng,
    network: Network,
  ) {
    this.workerId = options.workerId;
    this.fingerprint = options.fingerprint;
    this.slots = options.slots;
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
      lease: (lease, params) => this.#toWorker(stream, () => this.#compute(stream, shardWork(lease, params))),
      request: (lease, input) => this.#toWorker(stream, () => this.#compute(stream, requestWork(lease, input))),
      cancel: (leaseId) => this.#toWorker(stream, () => this.#cancelled.add(leaseId)),
      close: () => {
        stream.isOpen = false;
        if (this.#stream !== stream) return;
        this.#stream = undefined;
        if (this.#isUp) this.#reconnectSoon();
      },
    };
    this.#stream = stream;
    coordinator.connect(stream, this.fingerprint, this.slots);
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

  #compute(stream: Stream, { leaseId, key, value, offer }: Work): void {
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
    const life = this.#life;
    this.#time.after(startMs + usualMs, () => {
      if (this.#life !== life) return;
      if (this.#character === 'failing' && isFaulty) {
        if (this.#cancelled.delete(leaseId)) return;
        this.#toCoordinator(() => {
          const { workerId, connection, coordinator } = stream;
          const from = { at: coordinator.at, workerId, connection, leaseId };
          const reason = { code: 'INTERNAL', message: 'simulated failure', isPermanent: false, isRejected: false };
          coordinator.dispatch({ kind: 'shardFailed', ...from, ...reason });
        });
        return;
      }
      const isValid = !(this.#character === 'hostile' && isFaulty);
      if (isValid && offer) {
        this.#held.set(key, { value, offer });
        if (this.#held.size > maxHeld) this.#held.delete(this.#held.keys().next().value as string);
      }
      if (this.#cancelled.delete(leaseId)) return;
      this.#send(stream, leaseId, isValid ? value : value ^ 1, isValid, false);
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

  #send(stream: Stream, leaseId: string, value: number, isValid: boolean, isPresentedAgain: boolean): void {
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
}

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

type HeldOffer = { jobId: string; work: 'initialize' | 'train' | 'evaluate'; step: number; shard: number };
