// The only loop: events come in, the core decides, the effects are performed in order. It decides
// nothing itself: `JobEffects` holds θ, records and checkpoints, `LeaseEffects` orders the workers'
// streams, and everything that happens is reported to an observer; there is no log, story or metric
// here. Synchronous from the event to the written socket; only the disk is waited for, never by a
// meta-step.
import type { NamedArrays } from '../../learning/built.ts';
import type { ResolvedJob } from '../../learning/job.ts';
import { SecretDraws } from '../../learning/outer-loop/secret-draws.ts';
import type { InputForm } from '../../learning/tasks.ts';
import { type Clock, nextTurn } from '../../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { ShardFailure__Output } from '../../shared/gen/metatrain/v1/ShardFailure.ts';
import type { ShardResult__Output } from '../../shared/gen/metatrain/v1/ShardResult.ts';
import type { JobPace } from '../../shared/pace.ts';
import { derivedKey, secretRng } from '../../shared/secret-rng.ts';
import type { Waiting } from '../../shared/waiting.ts';
import { type Census, takeCensus } from '../core/census.ts';
import type { CoreEffect } from '../core/effect.ts';
import type { CoreEvent, DiskNews, HeldShard, ShardProgress, Untimed } from '../core/event.ts';
import { idleReason } from '../core/placement.ts';
import { paceOf } from '../core/spans.ts';
import {
  type AnyLease,
  anyLeaseOf,
  type CoreOptions,
  type CoreState,
  createState,
  type RequestLease,
  tickMsOf,
} from '../core/state.ts';
import { step } from '../core/step.ts';
import { type UsefulSlotsOptions, usefulSlots } from '../core/useful-slots.ts';
import { waitingJobs } from '../core/waiting.ts';
import type { Checkpointing, Restored } from '../jobs/checkpointing.ts';
import type { JobBook, Submission } from '../jobs/job-book.ts';
import { engineKey, planOf, standingOf } from '../jobs/job-plan.ts';
import { countPayloads } from '../jobs/live-job.ts';
import { type ArrivedResult, type CheckedResult, checkResult, type TakePayload } from '../jobs/shard-results.ts';
import type { Observer } from '../observers/happenings.ts';
import { checkAnswer } from '../requests/answers.ts';
import type { AdaptedState, Answer, Learner, Predictions } from '../requests/request.ts';
import { hasEnded, type JobRecord } from '../store/job-record.ts';
import { isStorageRefusal } from '../store/storage-errors.ts';
import type { WorkerLink } from '../workers/worker-link.ts';
import { WorkerLinks, type WorkerView } from '../workers/worker-links.ts';
import { JobEffects } from './job-effects.ts';
import { LeaseEffects } from './lease-effects.ts';
import { RequestEffects, type RequestOptions } from './request-effects.ts';

export interface RunnerDependencies {
  readonly book: JobBook;
  readonly checkpointing: Checkpointing;
  readonly clock: Clock;
  /** Told of everything that happens: the log, the jobs' stories, metrics, traces. */
  readonly observer: Observer;
  /** The coordinator's own, for jobs with `meta.privacy`; the same after a restart. 32 bytes. */
  readonly secretKey: () => Buffer;
}

interface Arrival {
  readonly event: CoreEvent;
  /** The result that a `resultArrived` speaks of. */
  readonly result: ArrivedResult | undefined;
  /** The same, of a request. */
  readonly answer: Answer | undefined;
}

export class Runner {
  readonly #core: CoreState;
  readonly #book: JobBook;
  readonly #checkpointing: Checkpointing;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #secretKey: () => Buffer;
  readonly #links = new WorkerLinks();
  readonly #jobs: JobEffects;
  readonly #requests: RequestEffects;
  readonly #leases: LeaseEffects;
  readonly #arrivals: Arrival[] = [];
  #isDispatching = false;
  #isClosed = false;
  #stopTicks: () => void = () => undefined;

  constructor(options: CoreOptions, { book, checkpointing, clock, observer, secretKey }: RunnerDependencies) {
    this.#core = createState(options);
    this.#book = book;
    this.#checkpointing = checkpointing;
    this.#clock = clock;
    this.#observer = observer;
    this.#secretKey = secretKey;
    const links = this.#links;
    this.#jobs = new JobEffects({
      book,
      checkpointing,
      clock,
      observer,
      answer: (answer) => this.#dispatch(answer),
      onEnded: (jobId) => links.orderAll((link) => link.closeJob(jobId)),
    });
    const { startId } = options;
    const tell = (event: Untimed) => this.#dispatch(event);
    this.#requests = new RequestEffects({ startId, links, clock, observer, tell });
    const [jobs, requests] = [this.#jobs, this.#requests];
    this.#leases = new LeaseEffects(this.#core, { jobs, requests, links, clock, observer });
  }

  /** Takes up the jobs that had not ended, from their last good checkpoints, and lets time pass. */
  async start(): Promise<void> {
    for (const { record, job } of this.#book.unfinished()) await this.#restore(record, job);
    const tick = () => this.#dispatch({ kind: 'tick' });
    tick();
    // After a standstill the timer comes first and the sockets then: who is late is judged once
    // they have been read.
    this.#stopTicks = this.#clock.every(tickMsOf(this.#core.options), () => void nextTurn().then(tick));
  }

  async #restore(record: JobRecord, job: ResolvedJob): Promise<void> {
    let restored: Restored | undefined;
    let draws: SecretDraws | undefined;
    try {
      draws = this.#drawsOf(record.jobId, job);
      restored = await this.#checkpointing.restore(record, job, draws);
    } catch (thrown) {
      // Nothing is wrong with the job: the next start may read what this one cannot.
      if (isStorageRefusal(thrown)) throw thrown;
      await this.#jobs.giveUp(record, asMetatrainError(thrown));
      return;
    }
    const { training, leftOut } = restored;
    this.#jobs.open(record, job, { training, draws }, true);
    const hasParams = training !== undefined;
    this.#dispatch({ kind: 'jobRestored', leftOut, hasParams, ...standingOf(record, job, draws) });
  }

  /**
   * A stream of its own for each job, purpose and meta-step: noise that two jobs shared would tell
   * the difference of their sums.
   */
  #drawsOf(jobId: string, { spec }: ResolvedJob): SecretDraws | undefined {
    if (!spec.meta.privacy) return undefined;
    const key = derivedKey(this.#secretKey(), jobId);
    return new SecretDraws(spec.meta, (purpose, metaStep) => secretRng(key, purpose, metaStep));
  }

  // What clients ask for.

  /** @throws MetatrainError `JOB_EXISTS`, `QUEUE_FULL` or `SHUTTING_DOWN` */
  async submit(submission: Submission): Promise<{ jobId: string; isNew: boolean }> {
    if (this.#isClosed) throw shuttingDown();
    const { job } = submission;
    // Before the job is stored: without its secret it could not go on.
    if (job.spec.meta.privacy) this.#secretKey();
    const { record, isNew } = await this.#book.submit(submission, this.#clock.now());
    // Closed in the meantime: the job is on the disk, and the next start takes it up.
    if (isNew && !this.#isClosed) {
      const draws = this.#drawsOf(record.jobId, job);
      this.#jobs.open(record, job, { training: undefined, draws }, false);
      this.#dispatch({ kind: 'jobSubmitted', plan: planOf(record.jobId, job, draws) });
    }
    return { jobId: record.jobId, isNew };
  }

  /**
   * Cancels, pauses or resumes a job; what it did is on the disk when this resolves.
   *
   * @throws MetatrainError `JOB_UNKNOWN`, or `JOB_NOT_RUNNING` when the job's state does not allow it.
   */
  async request(
    kind: 'jobCancelRequested' | 'jobPauseRequested' | 'jobResumeRequested',
    jobId: string,
  ): Promise<JobRecord> {
    if (this.#isClosed) throw shuttingDown();
    const record = this.#book.record(jobId);
    if (hasEnded(record.state)) {
      throw new MetatrainError('JOB_NOT_RUNNING', `job ${jobId} has ended: ${record.state}`);
    }
    this.#dispatch({ kind, jobId });
    await this.#book.save(record);
    return record;
  }

  // Work without a job.

  /**
   * Adapts the learner to a support set on some worker. No job is there for it, and nothing of it is recorded.
   *
   * @param support the task's tensors but its query set, by name, row-major, of any number of examples.
   * @param options `point`: which of the states on the way; default the last of the job file's axis.
   * @throws MetatrainError `REQUEST_INVALID`, `RESULT_NOT_FINITE`, `SHARD_FAILED` or another code of the
   *   workers, `DEADLINE_EXCEEDED`, `QUEUE_FULL`, `SHUTTING_DOWN`; or the signal's reason.
   */
  async adapt(
    learner: Learner,
    support: NamedArrays,
    options: RequestOptions & { readonly point?: number } = {},
  ): Promise<AdaptedState> {
    if (this.#isClosed) throw shuttingDown();
    return this.#requests.adapt(learner, support, options);
  }

  /**
   * Predicts from a state that `adapt` gave for the same learner.
   *
   * @param inputs row-major [examples, …input].
   * @throws as `adapt` does.
   */
  async predict(
    learner: Learner,
    adapted: AdaptedState,
    inputs: Float32Array,
    options: RequestOptions = {},
  ): Promise<Predictions> {
    if (this.#isClosed) throw shuttingDown();
    return this.#requests.predict(learner, adapted, inputs, options);
  }

  /**
   * Turns images or texts into the numbers that the learner's model takes, on some worker.
   *
   * @param items PNG or JPEG files, or sentences in UTF-8.
   * @returns row-major [items, …input].
   * @throws as `adapt` does; `DATA_SET_MISSING` where texts are read by a table of a data set that
   *   no worker has.
   */
  async encode(
    learner: Learner,
    form: InputForm,
    items: readonly Uint8Array[],
    options: RequestOptions = {},
  ): Promise<Float32Array> {
    if (this.#isClosed) throw shuttingDown();
    return this.#requests.encode(learner, form, items, options);
  }

  /** What may be written, and what not. */
  hearOfDisk(news: DiskNews): void {
    this.#dispatch(news);
  }

  census(): Census {
    return takeCensus(this.#core);
  }

  /** Slots that could compute at once, whether or not workers have them. */
  usefulSlots(options: UsefulSlotsOptions = {}): number {
    return usefulSlots(this.#core, options);
  }

  /** Jobs that compute nothing although they have not ended, by id. */
  waitingJobs(): ReadonlyMap<string, Waiting> {
    return waitingJobs(this.#core);
  }

  /** How the job's meta-steps are computed now; undefined while none is. */
  paceOf(jobId: string): JobPace | undefined {
    return paceOf(this.#core, jobId);
  }

  workers(): WorkerView[] {
    const views: WorkerView[] = [];
    for (const tally of this.#links) {
      const worker = this.#core.workers.get(tally.link.workerId);
      if (worker?.connection !== tally.link.connection) continue;
      const lastSeenAt = this.#clock.now() - (this.#clock.elapsedMs() - worker.lastSeenAt);
      views.push({ ...tally, worker, lastSeenAt, idleReason: idleReason(this.#core, worker) });
    }
    return views;
  }

  // What workers say.

  connect(link: WorkerLink): void {
    if (this.#isClosed) {
      link.close(shuttingDown());
      return;
    }
    this.#links.add(link);
    const { workerId, connection, fingerprint, plugins, slots, computesSpans } = link;
    const engine = engineKey(link.engine, link.device.kind);
    this.#observer.workerConnected?.({ at: this.#clock.now(), link });
    const offer = { engine, fingerprint, plugins, slots, computesSpans };
    this.#dispatch({ kind: 'workerConnected', workerId, connection, ...offer });
  }

  disconnect(link: WorkerLink, reason: string): void {
    const { workerId, connection } = link;
    if (!this.#links.remove(connection)) return;
    this.#observer.workerDisconnected?.({ at: this.#clock.now(), link, reason });
    this.#dispatch({ kind: 'workerDisconnected', workerId, connection, reason });
  }

  heard({ workerId, connection }: WorkerLink): void {
    this.#dispatch({ kind: 'workerSeen', workerId, connection });
  }

  drain(link: WorkerLink, reason: string): void {
    const { workerId, connection } = link;
    this.#observer.workerDraining?.({ at: this.#clock.now(), link, reason });
    this.#dispatch({ kind: 'workerDraining', workerId, connection });
  }

  progress({ workerId, connection }: WorkerLink, { leaseId, isStarting, isReopening }: ShardProgress): void {
    this.#dispatch({ kind: 'shardProgressed', workerId, connection, leaseId, isStarting, isReopening });
  }

  /** Results that the worker still holds from before this stream. */
  offered(link: WorkerLink, held: readonly HeldShard[]): void {
    const { workerId, connection } = link;
    this.#observer.resultsOffered?.({ at: this.#clock.now(), link, results: held.length });
    this.#dispatch({ kind: 'resultsOffered', workerId, connection, held });
  }

  result(link: WorkerLink, message: ShardResult__Output, takePayload: TakePayload): void {
    const { workerId, connection } = link;
    const { leaseId, computeMs, presentedAgain: isPresentedAgain } = message;
    const lease = this.#core.leases.get(leaseId);
    if (!lease || lease.worker.connection !== connection) {
      // The core knows why; the result itself is not worth a look.
      this.#dispatch({ kind: 'lateResultArrived', workerId, connection, leaseId });
      return;
    }
    if (lease.kind === 'request') {
      this.#answer(link, lease, message, takePayload);
      return;
    }
    let result: CheckedResult;
    try {
      const { expected, record } = this.#jobs.job(lease.job.plan.jobId);
      result = checkResult(lease, message, takePayload, expected, record.data);
    } catch (thrown) {
      this.#reject(link, lease, asMetatrainError(thrown));
      return;
    }
    const nonFiniteTasks =
      result.work === 'train' ? result.nonFiniteTasks.map((offset) => lease.shard.firstTask + offset) : [];
    const { work } = result;
    const steps = work === 'span' ? result.steps.length : 0;
    // Written out, since a spread makes a hidden class for each (ADR 17).
    this.#dispatch(
      { kind: 'resultArrived', workerId, connection, leaseId, work, nonFiniteTasks, steps, isPresentedAgain },
      { checked: result, computeMs },
    );
  }

  #answer(link: WorkerLink, lease: RequestLease, message: ShardResult__Output, takePayload: TakePayload): void {
    const { workerId, connection } = link;
    const { leaseId } = lease;
    let answer: Answer;
    try {
      answer = checkAnswer(lease, message, takePayload, this.#requests.of(lease));
    } catch (thrown) {
      this.#reject(link, lease, asMetatrainError(thrown));
      return;
    }
    const { work } = answer;
    this.#dispatch(
      { kind: 'resultArrived', workerId, connection, leaseId, work, nonFiniteTasks: [] },
      undefined,
      answer,
    );
  }

  /** The result cannot be one. */
  #reject(link: WorkerLink, lease: AnyLease, { code, message }: MetatrainError): void {
    const { workerId, connection } = link;
    const { leaseId } = lease;
    this.#links.order(connection, () => link.cancelLease(leaseId, message));
    this.#links.countResult(connection, false);
    if (lease.kind === 'shard') {
      this.#observer.resultRejected?.({ at: this.#clock.now(), lease, code, reason: message });
    }
    // A coordinator without room for the payload is no fault of the worker.
    const failure = { code, message, isPermanent: false, isRejected: code !== 'QUEUE_FULL' };
    this.#dispatch({ kind: 'shardFailed', workerId, connection, leaseId, ...failure });
  }

  /** Leases of this stream that are answered with a payload of so many bytes. */
  payloadsExpected({ workerId, connection }: WorkerLink, payloadBytes: number): number {
    const worker = this.#core.workers.get(workerId);
    if (worker?.connection !== connection) return 0;
    const ofJobs = countPayloads(worker.leases, payloadBytes, this.#jobs.live);
    return ofJobs + this.#requests.countPayloads(worker.leases, payloadBytes);
  }

  failure({ workerId, connection }: WorkerLink, failure: ShardFailure__Output): void {
    const { leaseId, code, message, permanent: isPermanent } = failure;
    const lease = this.#core.leases.get(leaseId);
    if (lease?.kind !== 'request') {
      this.#observer.shardFailed?.({ at: this.#clock.now(), workerId, leaseId, lease, code, reason: message });
    }
    const from = { workerId, connection, leaseId };
    this.#dispatch({ kind: 'shardFailed', ...from, code, message, isPermanent, isRejected: false });
  }

  // The loop.

  #dispatch(untimed: Untimed, result?: ArrivedResult, answer?: Answer): void {
    if (this.#isClosed) return;
    // The core measures durations: its time is the clock that is never set. Added to the event
    // itself, which was made for the queue: a copy of it takes microseconds.
    const event = Object.assign(untimed, { at: this.#clock.elapsedMs() }) as CoreEvent;
    this.#arrivals.push({ event, result, answer });
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    try {
      for (let next = this.#arrivals.shift(); next; next = this.#arrivals.shift()) {
        for (const effect of step(this.#core, next.event)) this.#perform(effect, next);
      }
    } finally {
      this.#isDispatching = false;
    }
    this.#links.flush();
  }

  #perform(effect: CoreEffect, { result, answer }: Arrival): void {
    switch (effect.kind) {
      case 'sendLease':
        this.#leases.send(effect);
        break;
      case 'cancelLease':
        this.#leases.cancel(effect);
        break;
      case 'stopSpan':
        this.#leases.stopSpan(effect);
        break;
      case 'keepResult':
        this.#leases.keep(effect, result);
        break;
      case 'requestDone':
        this.#requests.done(effect, requestLeaseOf(this.#core, effect.leaseId), answer);
        break;
      case 'requestFailed':
        this.#requests.failed(effect);
        break;
      case 'dropResult':
        this.#leases.drop(effect);
        break;
      case 'disconnectWorker':
        this.#leases.disconnect(effect);
        break;
      case 'reduce':
        this.#jobs.reduce(effect);
        break;
      case 'loadEnsemble':
        void this.#jobs.loadEnsemble(effect);
        break;
      case 'writeCheckpoint':
        void this.#jobs.writeCheckpoint(effect);
        break;
      case 'changeJobState':
        this.#jobs.changeState(effect);
        break;
      case 'reportQuarantine':
      case 'reportLetBack':
      case 'reportWait':
      case 'reportRetry':
        this.#leases.report(effect);
        break;
      default:
        effect satisfies never;
    }
  }

  /**
   * Ends the streams, writes what running jobs would otherwise have to compute again, and stops.
   * May be called twice.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopTicks();
    this.#requests.close(shuttingDown());
    this.#links.closeAll(shuttingDown());
    await this.#checkpointing.end(this.#jobs.live.values());
    this.#book.end();
  }
}

function requestLeaseOf(core: CoreState, leaseId: string): RequestLease {
  const lease = anyLeaseOf(core, leaseId);
  if (lease.kind === 'request') return lease;
  throw new Error(`lease ${leaseId} is a shard's, and not a request's`);
}

const shuttingDown = () => new MetatrainError('SHUTTING_DOWN', 'the coordinator is shutting down; try again');
