// The requests that are not answered, and what the core orders of them: send one to a worker, answer it, fail
// it. The caller holds a promise, which settles once. Nothing is written to the disk.
import type { NamedArrays } from '../../learning/built.ts';
import type { InputForm } from '../../learning/tasks.ts';
import type { Clock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { CoreEffect } from '../core/effect.ts';
import type { CoreEvent, Untimed } from '../core/event.ts';
import type { AnyLease, RequestLease, RequestPlan } from '../core/state.ts';
import { engineKey } from '../jobs/job-plan.ts';
import type { Observer } from '../observers/happenings.ts';
import { mayHavePayload } from '../requests/answers.ts';
import {
  type AdaptedState,
  type Answer,
  adaptInput,
  encodeInput,
  type Learner,
  type Predictions,
  predictInput,
  type RequestInput,
} from '../requests/request.ts';
import type { WorkerLinks } from '../workers/worker-links.ts';

type EffectOf<Kind extends CoreEffect['kind']> = Extract<CoreEffect, { kind: Kind }>;

export interface RequestOptions {
  /** How long the answer is waited for. Default: 60 s. */
  readonly patienceMs?: number;
  /** Once aborted, the request is withdrawn, and fails with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface RequestEffectsDependencies {
  readonly startId: string;
  readonly links: WorkerLinks;
  readonly clock: Clock;
  readonly observer: Observer;
  /** @throws MetatrainError what the core throws. */
  readonly tell: (event: Untimed<Extract<CoreEvent, { kind: 'requestSubmitted' | 'requestCancelled' }>>) => void;
}

interface LiveRequest {
  readonly plan: RequestPlan;
  readonly learner: Learner;
  readonly input: RequestInput;
  readonly sinceMs: number;
  readonly settle: (answer: Answer | Error) => void;
}

const defaultPatienceMs = 60_000;

export class RequestEffects {
  readonly #dependencies: RequestEffectsDependencies;
  readonly #live = new Map<string, LiveRequest>();
  #seen = 0;

  constructor(dependencies: RequestEffectsDependencies) {
    this.#dependencies = dependencies;
  }

  /** @throws as `Runner.adapt` does. */
  async adapt(
    learner: Learner,
    support: NamedArrays,
    { point, ...options }: RequestOptions & { readonly point?: number },
  ): Promise<AdaptedState> {
    const answer = await this.#submit(learner, adaptInput(learner, support, point), options);
    if (answer.work !== 'adapt') throw new Error('an answer is of the kind of its request');
    return { layout: answer.layout, state: answer.state };
  }

  /** @throws as `Runner.predict` does. */
  async predict(
    learner: Learner,
    adapted: AdaptedState,
    inputs: Float32Array,
    options: RequestOptions,
  ): Promise<Predictions> {
    const answer = await this.#submit(learner, predictInput(learner, adapted, inputs), options);
    if (answer.work !== 'predict') throw new Error('an answer is of the kind of its request');
    return { shape: answer.shape, outputs: answer.outputs };
  }

  /** @throws as `Runner.encode` does. */
  async encode(
    learner: Learner,
    form: InputForm,
    items: readonly Uint8Array[],
    options: RequestOptions,
  ): Promise<Float32Array> {
    const answer = await this.#submit(learner, encodeInput(learner, form, items), options);
    if (answer.work !== 'encode') throw new Error('an answer is of the kind of its request');
    return answer.values;
  }

  #submit(
    learner: Learner,
    input: RequestInput,
    { patienceMs = defaultPatienceMs, signal }: RequestOptions,
  ): Promise<Answer> {
    signal?.throwIfAborted();
    const { startId, clock, tell } = this.#dependencies;
    const { spec, plugins } = learner.job;
    const { engine, device } = spec.placement;
    this.#seen += 1;
    const requestId = `${startId}-r${this.#seen}`;
    const { work } = input;
    const { learnerId } = learner;
    const plan = { requestId, work, learnerId, engine: engineKey(engine, device), plugins, patienceMs };
    return new Promise((resolve, reject) => {
      const withdraw = () => {
        tell({ kind: 'requestCancelled', requestId });
        this.#end(requestId, signal?.reason);
      };
      const settle = (answer: Answer | Error) => {
        signal?.removeEventListener('abort', withdraw);
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      };
      this.#live.set(requestId, { plan, learner, input, sinceMs: clock.elapsedMs(), settle });
      signal?.addEventListener('abort', withdraw);
      try {
        tell({ kind: 'requestSubmitted', plan });
      } catch (refusal) {
        this.#end(requestId, refusal);
      }
    });
  }

  /** What a worker's answer is checked against. */
  of({ request }: RequestLease): Pick<LiveRequest, 'learner' | 'input'> {
    return this.#request(request.plan.requestId);
  }

  /** Leases of requests whose answer may come with a payload of so many bytes. */
  countPayloads(leases: Iterable<AnyLease>, payloadBytes: number): number {
    let payloads = 0;
    for (const lease of leases) {
      if (lease.kind === 'shard') continue;
      const { learner, input } = this.of(lease);
      if (mayHavePayload(learner, input, payloadBytes)) payloads += 1;
    }
    return payloads;
  }

  send(lease: RequestLease, deadlineMs: number): void {
    const order = { lease, deadlineMs, ...this.of(lease) };
    this.#dependencies.links.order(lease.worker.connection, (link) => link.sendRequest(order));
  }

  /** @param answer which came with the event. */
  done({ requestId }: EffectOf<'requestDone'>, { worker }: RequestLease, answer: Answer | undefined): void {
    if (!answer) throw new Error('only an arriving answer ends a request');
    this.#dependencies.links.countResult(worker.connection, true);
    this.#end(requestId, answer);
  }

  failed({ requestId, code, message }: EffectOf<'requestFailed'>): void {
    this.#end(requestId, new MetatrainError(code, message));
  }

  /** May be called twice. */
  close(error: MetatrainError): void {
    for (const requestId of [...this.#live.keys()]) this.#end(requestId, error);
  }

  /** @param outcome the answer, or why there is none. */
  #end(requestId: string, outcome: unknown): void {
    const live = this.#live.get(requestId);
    if (!live) return;
    this.#live.delete(requestId);
    const { clock, observer } = this.#dependencies;
    const { plan, sinceMs, settle } = live;
    const isAnswer = (end: unknown): end is Answer => typeof end === 'object' && end !== null && 'work' in end;
    const end = isAnswer(outcome) || outcome instanceof Error ? outcome : new Error(String(outcome));
    const failure = end instanceof Error ? { reason: end.message } : {};
    observer.requestEnded?.({ at: clock.now(), plan, tookMs: clock.elapsedMs() - sinceMs, ...failure });
    settle(end);
  }

  #request(requestId: string): LiveRequest {
    const live = this.#live.get(requestId);
    if (!live) throw new Error(`the core speaks of request ${requestId}, which has ended`);
    return live;
  }
}
