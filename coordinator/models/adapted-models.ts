// The adapted models that are kept for a while, each under an id that only its owner and the admins
// can use. In memory alone: a restart forgets them, as it forgets the requests that made them.
import type { Clock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { formatBytes, formatCount } from '../../shared/numbers.ts';
import { randomId } from '../../shared/rng.ts';
import type { Caller } from '../access/authentication.ts';
import type { AdaptedState, Learner } from '../requests/request.ts';

export interface AdaptedLimits {
  /** Memory that all of them may take, with the parameters that they were adapted from. */
  readonly adaptedBytes: number;
  /** How many one client may have, where clients have tokens; else all together. */
  readonly adaptedPerClient: number;
}

/** What an adapted model is, kept or not. */
export interface AdaptedFacts {
  readonly jobId: string;
  /** The checkpoint's meta-step. */
  readonly step: number;
  /** Of the evaluation's axis, such as the number of inner steps. */
  readonly point: string;
  /** In the order of the outputs; empty for a regression. */
  readonly classes: readonly string[];
  readonly examples: number;
  readonly learner: Learner;
  readonly adapted: AdaptedState;
}

export interface AdaptedModel extends AdaptedFacts {
  readonly adaptedId: string;
  readonly owner: string;
  /** Milliseconds since the epoch, for people. */
  readonly adaptedAt: number;
  readonly expiresAt: number;
}

interface Kept extends AdaptedModel {
  /** As `Clock.elapsedMs`. */
  readonly endsAtMs: number;
}

/** Ids that are remembered as expired or dropped, so that an answer can say so. */
const rememberedIds = 10_000;
const sweepEveryMs = 1_000;

export const bytesOf = ({ adapted: { state } }: Pick<AdaptedFacts, 'adapted'>): number => state.byteLength;

const paramsBytes = ({ metaParams }: Learner): number => metaParams.byteLength;

const sumOf = <Item>(items: readonly Item[], of: (item: Item) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0);

export class AdaptedModels {
  readonly #limits: AdaptedLimits;
  readonly #clock: Clock;
  readonly #models = new Map<string, Kept>();
  /** Why an id is no more. */
  readonly #gone = new Map<string, string>();
  readonly #stopSweeping: () => void;
  /** The models of each learner, whose parameters stay in memory for them. */
  readonly #ofLearner = new Map<Learner, number>();
  #bytes = 0;

  constructor(limits: AdaptedLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#stopSweeping = clock.every(sweepEveryMs, () => this.#sweep());
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#models.size;
  }

  /** Refuses now what `keep` would refuse. @throws MetatrainError `QUEUE_FULL` */
  mustHaveRoom(count: number, { name: owner }: Caller): void {
    this.#sweep();
    const { adaptedBytes, adaptedPerClient } = this.#limits;
    const own = [...this.#models.values()].filter((model) => model.owner === owner).length;
    const full =
      own + count > adaptedPerClient
        ? `${formatCount(own)} adapted models, of at most ${formatCount(adaptedPerClient)} for a client`
        : this.#bytes >= adaptedBytes
          ? `adapted models of ${formatBytes(this.#bytes)}, of at most ${formatBytes(adaptedBytes)}`
          : undefined;
    if (full === undefined) return;
    throw new MetatrainError('QUEUE_FULL', `${full}, are kept; drop some, or let them expire`);
  }

  /**
   * Keeps all of them, or none.
   *
   * @throws MetatrainError `QUEUE_FULL`
   */
  keep(facts: readonly AdaptedFacts[], keepMs: number, caller: Caller): AdaptedModel[] {
    this.mustHaveRoom(facts.length, caller);
    const { adaptedBytes } = this.#limits;
    const newLearners = new Set(facts.map(({ learner }) => learner).filter((one) => !this.#ofLearner.has(one)));
    const bytes = sumOf(facts, bytesOf) + sumOf([...newLearners], paramsBytes);
    if (this.#bytes + bytes > adaptedBytes) {
      const message = `the adapted models take ${formatBytes(bytes)}, and ${formatBytes(this.#bytes)} of ${formatBytes(adaptedBytes)} are taken; drop some, or let them expire`;
      throw new MetatrainError('QUEUE_FULL', message);
    }
    const adaptedAt = this.#clock.now();
    const endsAtMs = this.#clock.elapsedMs() + keepMs;
    const models = facts.map((one): Kept => {
      const adaptedId = `adapted-${randomId(8)}`;
      return { ...one, adaptedId, owner: caller.name, adaptedAt, expiresAt: adaptedAt + keepMs, endsAtMs };
    });
    for (const model of models) {
      this.#models.set(model.adaptedId, model);
      this.#ofLearner.set(model.learner, (this.#ofLearner.get(model.learner) ?? 0) + 1);
    }
    this.#bytes += bytes;
    return models;
  }

  /** @throws MetatrainError `ADAPTED_UNKNOWN`, which says so where it has expired or was dropped. */
  get(adaptedId: string, caller: Caller): AdaptedModel {
    this.#sweep();
    const model = this.#models.get(adaptedId);
    if (model && mayUse(caller, model)) return model;
    const reason =
      (!model && this.#gone.get(adaptedId)) || 'there is none of this id (a restart of the coordinator forgets all)';
    throw new MetatrainError('ADAPTED_UNKNOWN', `adapted model ${JSON.stringify(adaptedId.slice(0, 100))}: ${reason}`);
  }

  /** The newest first. */
  list(caller: Caller): AdaptedModel[] {
    this.#sweep();
    return [...this.#models.values()].filter((model) => mayUse(caller, model)).reverse();
  }

  /** @throws as `get` does. */
  drop(adaptedId: string, caller: Caller): void {
    this.#forget(this.get(adaptedId, caller), 'it was dropped');
  }

  close(): void {
    this.#stopSweeping();
    this.#models.clear();
    this.#ofLearner.clear();
    this.#bytes = 0;
  }

  #sweep(): void {
    const nowMs = this.#clock.elapsedMs();
    for (const model of this.#models.values()) {
      if (nowMs < model.endsAtMs) continue;
      this.#forget(model, `it has expired, at ${new Date(model.expiresAt).toISOString()}`);
    }
  }

  #forget(model: AdaptedModel, reason: string): void {
    this.#models.delete(model.adaptedId);
    this.#bytes -= bytesOf(model);
    const { learner } = model;
    const others = this.#ofLearner.get(learner)! - 1;
    if (others > 0) this.#ofLearner.set(learner, others);
    else {
      this.#ofLearner.delete(learner);
      this.#bytes -= paramsBytes(learner);
    }
    this.#gone.set(model.adaptedId, reason);
    if (this.#gone.size > rememberedIds) this.#gone.delete(this.#gone.keys().next().value!);
  }
}

const mayUse = ({ name, roles }: Caller, { owner }: AdaptedModel): boolean => roles.has('admin') || owner === name;
