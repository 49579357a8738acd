// The only loop: events come in, the core decides, the effects are performed in order. It holds what the core must not touch (θ, payloads,
// streams, records) and decides nothing itself. Synchronous from the event to the written socket; only the disk is waited for, never by a
// meta-step.
import { type Clock, nextTurn } from '../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../shared/errors.ts';
import type { ShardFailure__Output } from '../shared/gen/metatrain/v1/ShardFailure.ts';
import type { ShardResult__Output } from '../shared/gen/metatrain/v1/ShardResult.ts';
import type { JobSpec } from '../shared/job-spec/index.ts';
import type { Logger } from '../shared/log.ts';
import type { Waiting } from '../shared/waiting.ts';
import type { Training } from './aggregation/training.ts';
import { type Census, takeCensus } from './core/census.ts';
import type { CoreEffect } from './core/effect.ts';
import type { CoreEvent, DiskNews, HeldShard, ShardProgress } from './core/event.ts';
import { idleReason } from './core/placement.ts';
import { type CoreOptions, type CoreState, createState, describeLease, tickMsOf } from './core/state.ts';
import { step } from './core/step.ts';
import { waitingJobs } from './core/waiting.ts';
import type { Checkpointing, Restored } from './jobs/checkpointing.ts';
import type { JobBook, Submission } from './jobs/job-book.ts';
import { engineKey, planOf, standingOf } from './jobs/job-plan.ts';
import {
  applyMetaStep,
  countPayloads,
  keepResult,
  type LiveJob,
  liveJob,
  proveChain,
  recordVerdict,
  summariseEvaluation,
  trainingOf,
} from './jobs/live-job.ts';
import type { ArrivedResult, CheckedResult, TakePayload } from './jobs/shard-results.ts';
import { checkResult, payloadBytesOf } from './jobs/shard-results.ts';
import type { Observer } from './observers/happenings.ts';
import { tellReport } from './reports.ts';
import { failureRecord, hasEnded, type JobRecord } from './store/job-record.ts';
import { isStorageRefusal } from './store/storage-errors.ts';
import type { WorkerLink } from './workers/worker-link.ts';
import { WorkerLinks, type WorkerView } from './workers/worker-links.ts';

export interface RunnerDependencies {
  readonly book: JobBook;
  readonly checkpointing: Checkpointing;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of everything that happens. Default: nobody. */
  readonly observer?: Observer;
}

/** The event's own object, made for the queue: the time is added to it there. */
type Untimed<Event> = Event extends CoreEvent ? Omit<Event, 'at'> : never;

interface Arrival {
  readonly event: CoreEvent;
  /** The result that a `resultArrived` speaks of. */
  readonly result: ArrivedResult | undefined;
}

export class Runner {
  readonly #core: CoreState;
  readonly #book: JobBook;
  readonly #checkpointing: Checkpointing;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #observer: Observer;
  readonly #jobs = new Map<string, LiveJob>();
  readonly #links = new WorkerLinks();
  readonly #arrivals: Arrival[] = [];
  #isDispatching = false;
  #isClosed = false;
  #stopTicks: () => void = () => undefined;

  constructor(options: CoreOptions, { book, checkpointing, clock, log, observer = {} }: RunnerDependencies) {
    this.#core = createState(options);
    this.#book = book;
    this.#checkpointing = checkpointing;
    this.#clock = clock;
    this.#log = log;
    this.#observer = observer;
  }

  /** Takes up the jobs that had not ended, from their last good checkpoints, and lets time pass. */
  async start(): Promise<void> {
    for (const { record, spec } of this.#book.unfinished()) await this.#restore(record, spec);
    const tick = () => this.#dispatch({ kind: 'tick' });
    tick();
    // After a standstill the timer comes first and the sockets then: who is late is judged once they have been read.
    this.#stopTicks = this.#clock.every(tickMsOf(this.#core.options), () => void nextTurn().then(tick));
  }

  async #restore(record: JobRecord, spec: JobSpec): Promise<void> {
    let restored: Restored | undefined;
    try {
      restored = await this.#checkpointing.restore(record, spec);
    } catch (thrown) {
      // Nothing is wrong with the job: the next start may read what this one cannot.
      if (isStorageRefusal(thrown)) throw thrown;
      await this.#book.giveUp(record, asMetatrainError(thrown), this.#clock.now());
      return;
    }
    const { training, leftOut } = restored;
    this.#openJob(record, spec, training);
    this.#observer.jobOpened?.({ at: this.#clock.now(), record, spec, isRestored: true });
    const hasParams = training !== undefined;
    this.#dispatch({ kind: 'jobRestored', leftOut, hasParams, ...standingOf(record, spec) });
  }

  #openJob(record: JobRecord, spec: JobSpec, training: Training | undefined): void {
    const ledger = this.#book.ledger(record.jobId);
    this.#jobs.set(record.jobId, liveJob(record, spec, { training, ledger, now: this.#clock.elapsedMs() }));
  }

  // What clients ask for.

  /** @throws MetatrainError `JOB_EXISTS`, `QUEUE_FULL` or `SHUTTING_DOWN` */
  async submit(submission: Submission): Promise<{ jobId: string; isNew: boolean }> {
    if (this.#isClosed) throw shuttingDown();
    const { spec } = submission;
    const { record, isNew } = await this.#book.submit(submission, this.#clock.now());
    // Closed in the meantime: the job is on the disk, and the next start takes it up.
    if (isNew && !this.#isClosed) {
      this.#openJob(record, spec, undefined);
      this.#observer.jobOpened?.({ at: this.#clock.now(), record, spec, isRestored: false });
      this.#dispatch({ kind: 'jobSubmitted', plan: planOf(record.jobId, spec) });
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

  /** What may be written, and what not. */
  hearOfDisk(news: DiskNews): void {
    this.#dispatch(news);
  }

  census(): Census {
    return takeCensus(this.#core);
  }

  /** Jobs that compute nothing although they have not ended, by id. */
  waitingJobs(): ReadonlyMap<string, Waiting> {
    return waitingJobs(this.#core);
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
    const { workerId, connection, fingerprint, slots } = link;
    const engine = engineKey(link.engine, link.device.kind);
    const at = this.#clock.now();
    this.#log.info({ workerId, engine, fingerprint, slots }, 'worker connected');
    this.#observer.workerConnected?.({ at, link });
    this.#dispatch({ kind: 'workerConnected', workerId, connection, engine, fingerprint, slots });
  }

  disconnect(link: WorkerLink, reason: string): void {
    const { workerId, connection } = link;
    if (!this.#links.remove(connection)) return;
    this.#log.info({ workerId, reason }, 'worker disconnected');
    this.#observer.workerDisconnected?.({ at: this.#clock.now(), link, reason });
    this.#dispatch({ kind: 'workerDisconnected', workerId, connection, reason });
  }

  heard({ workerId, connection }: WorkerLink): void {
    this.#dispatch({ kind: 'workerSeen', workerId, connection });
  }

  drain(link: WorkerLink, reason: string): void {
    const { workerId, connection } = link;
    this.#log.info({ workerId, reason }, 'worker drains');
    this.#observer.workerDraining?.({ at: this.#clock.now(), link, reason });
    this.#dispatch({ kind: 'workerDraining', workerId, connection });
  }

  progress({ workerId, connection }: WorkerLink, { leaseId, isStarting, isReopening }: ShardProgress): void {
    this.#dispatch({ kind: 'shardProgressed', workerId, connection, leaseId, isStarting, isReopening });
  }

  /** Results that the worker still holds from before this stream. */
  offered({ workerId, connection }: WorkerLink, held: readonly HeldShard[]): void {
    this.#log.info({ workerId, results: held.length }, 'worker still holds results');
    this.#dispatch({ kind: 'resultsOffered', workerId, connection, held });
  }

  result(link: WorkerLink, message: ShardResult__Output, takePayload: TakePayload): void {
    const { workerId, connection } = link;
    const { leaseId, computeMs, presentedAgain: isPresentedAgain } = message;
    const lease = this.#core.leases.get(leaseId);
    if (!lease || lease.worker.connection !== connection) {
      // The core knows why; the result itself is not worth a look.
      const nothing = { work: 'train', nonFiniteTasks: [], isPresentedAgain: false } as const;
      this.#dispatch({ kind: 'resultArrived', workerId, connection, leaseId, ...nothing });
      return;
    }
    let result: CheckedResult;
    try {
      const { expected, record } = this.#liveJob(lease.job.plan.jobId);
      result = checkResult(lease, message, takePayload, expected, record.data);
    } catch (thrown) {
      const { code, message } = asMetatrainError(thrown);
      this.#log.warn({ ...describeLease(lease), workerId, code, reason: message }, 'a result was rejected');
      this.#links.order(connection, () => link.cancelLease(leaseId, message));
      this.#links.countResult(connection, false);
      this.#observer.resultRejected?.({ at: this.#clock.now(), lease, code, reason: message });
      // A coordinator without room for the payload is no fault of the worker.
      const failure = { code, message, isPermanent: false, isRejected: code !== 'QUEUE_FULL' };
      this.#dispatch({ kind: 'shardFailed', workerId, connection, leaseId, ...failure });
      return;
    }
    if (this.#log.isLevelEnabled('debug')) {
      this.#log.debug({ ...describeLease(lease), workerId, computeMs }, 'a result came');
    }
    const nonFiniteTasks =
      result.work === 'train' ? result.nonFiniteTasks.map((offset) => lease.shard.firstTask + offset) : [];
    this.#dispatch(
      { kind: 'resultArrived', workerId, connection, leaseId, work: result.work, nonFiniteTasks, isPresentedAgain },
      { checked: result, computeMs },
    );
  }

  /** Leases of this stream that are answered with a payload of so many bytes. */
  payloadsExpected({ workerId, connection }: WorkerLink, payloadBytes: number): number {
    const worker = this.#core.workers.get(workerId);
    return worker?.connection === connection ? countPayloads(worker.leases, payloadBytes, this.#jobs) : 0;
  }

  failure({ workerId, connection }: WorkerLink, failure: ShardFailure__Output): void {
    const { leaseId, code, message, permanent: isPermanent } = failure;
    const lease = this.#core.leases.get(leaseId);
    const what = lease ? describeLease(lease) : { leaseId };
    this.#log.warn({ ...what, workerId, code, reason: message }, 'a shard failed');
    this.#observer.shardFailed?.({ at: this.#clock.now(), workerId, leaseId, code });
    const from = { workerId, connection, leaseId };
    this.#dispatch({ kind: 'shardFailed', ...from, code, message, isPermanent, isRejected: false });
  }

  // The loop.

  #dispatch(untimed: Untimed<CoreEvent>, result?: ArrivedResult): void {
    if (this.#isClosed) return;
    // The core measures durations: its time is the clock that is never set. Added to the event itself: a copy of it takes microseconds.
    const event = Object.assign(untimed, { at: this.#clock.elapsedMs() }) as CoreEvent;
    this.#arrivals.push({ event, result });
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    try {
      for (let next = this.#arrivals.shift(); next; next = this.#arrivals.shift()) {
        for (const effect of step(this.#core, next.event)) this.#perform(effect, next.result);
      }
    } finally {
      this.#isDispatching = false;
    }
    this.#links.flush();
  }

  #perform(effect: CoreEffect, result: ArrivedResult | undefined): void {
    switch (effect.kind) {
      case 'sendLease':
        this.#sendLease(effect);
        break;
      case 'cancelLease':
        this.#cancelLease(effect);
        break;
      case 'disconnectWorker':
        this.#disconnectWorker(effect);
        break;
      case 'keepResult':
        this.#keepResult(effect, result);
        break;
      case 'dropResult':
        this.#dropResult(effect);
        break;
      case 'reduce':
        this.#reduce(effect);
        break;
      case 'writeCheckpoint':
        void this.#writeCheckpoint(effect);
        break;
      case 'changeJobState':
        this.#changeJobState(effect);
        break;
      case 'reportQuarantine':
      case 'reportLetBack':
      case 'reportWait':
      case 'reportRetry':
        tellReport(effect, this.#clock.now(), { book: this.#book, log: this.#log, observer: this.#observer });
        break;
      default:
        effect satisfies never;
    }
  }

  #sendLease({ lease, deadlineMs }: Extract<CoreEffect, { kind: 'sendLease' }>): void {
    const { record, spec, training } = this.#liveJob(lease.job.plan.jobId);
    const { layout, metaParams } = training ?? { layout: undefined, metaParams: undefined };
    const { spec: text, data = [] } = record;
    const evaluationSplit = spec.evaluation.split;
    const order = { lease, deadlineMs, spec: text, data, evaluationSplit, layout, metaParams };
    let payloadBytes = 0;
    this.#links.order(lease.worker.connection, (link) => {
      payloadBytes = link.sendLease(order);
    });
    this.#observer.leaseGranted?.({ at: this.#clock.now(), lease, deadlineMs, payloadBytes });
  }

  #cancelLease({ lease, cause, reason }: Extract<CoreEffect, { kind: 'cancelLease' }>): void {
    this.#links.order(lease.worker.connection, (link) => link.cancelLease(lease.leaseId, reason));
    this.#observer.leaseCancelled?.({ at: this.#clock.now(), lease, cause, reason });
  }

  #disconnectWorker({ connection, code, message }: Extract<CoreEffect, { kind: 'disconnectWorker' }>): void {
    const link = this.#links.remove(connection);
    if (!link) return;
    link.close(new MetatrainError(code, message));
    this.#observer.workerDisconnected?.({ at: this.#clock.now(), link, reason: message });
  }

  #keepResult({ lease }: Extract<CoreEffect, { kind: 'keepResult' }>, arrived: ArrivedResult | undefined): void {
    if (!arrived) throw new Error('only an arriving result is kept');
    const { checked: result, computeMs } = arrived;
    this.#links.countResult(lease.worker.connection, true);
    this.#links.noteData(lease.worker.connection, result.data);
    const begunMs = this.#clock.elapsedMs();
    keepResult(this.#liveJob(lease.job.plan.jobId), lease, result);
    const keepMs = this.#clock.elapsedMs() - begunMs;
    const payloadBytes = payloadBytesOf(result);
    this.#observer.resultKept?.({ at: this.#clock.now(), lease, computeMs, payloadBytes, keepMs });
  }

  #dropResult({ leaseId, workerId, reason }: Extract<CoreEffect, { kind: 'dropResult' }>): void {
    this.#log.debug({ workerId, leaseId, reason }, 'a result does not count');
    const connection = this.#core.workers.get(workerId)?.connection;
    if (connection !== undefined) this.#links.order(connection, (link) => link.cancelLease(leaseId, reason));
    this.#observer.resultDropped?.({ at: this.#clock.now(), workerId, leaseId, reason });
  }

  #reduce({ jobId, work }: Extract<CoreEffect, { kind: 'reduce' }>): void {
    const job = this.#liveJob(jobId);
    const at = this.#clock.now();
    const begunMs = this.#clock.elapsedMs();
    try {
      switch (work) {
        case 'initialize':
          job.record.paramsSha256 = trainingOf(job).metaParams.sha256.toString('hex');
          this.#save(job.record);
          break;
        case 'train':
          this.#applyMetaStep(job, at);
          break;
        case 'evaluate':
          this.#summariseEvaluation(job, at);
          break;
        default:
          work satisfies never;
      }
    } catch (thrown) {
      if (!(thrown instanceof MetatrainError)) throw thrown;
      this.#dispatch({ kind: 'jobBroken', jobId, code: thrown.code, message: thrown.message });
      return;
    }
    const reduceMs = this.#clock.elapsedMs() - begunMs;
    this.#observer.batchReduced?.({ at, record: job.record, work, reduceMs });
    this.#dispatch({ kind: 'reduced', jobId });
  }

  #applyMetaStep(job: LiveJob, at: number): void {
    const { record, progress } = job;
    const { applied, chain } = applyMetaStep(job);
    const proof = proveChain(job, chain);
    if (proof) {
      this.#log.info({ jobId: record.jobId, metaStep: chain.step }, proof);
      this.#book.append(record, at, { kind: 'stateChanged', state: record.state, reason: proof });
    }
    this.#observer.metaStepApplied?.({ at, record, applied });
    const summary = progress.applied(this.#clock.elapsedMs(), record.steps, applied);
    if (!summary) return;
    record.lastMetaStep = summary;
    this.#writeLedger(job);
    this.#book.append(record, at, { kind: 'metaStep', summary });
    this.#save(record);
  }

  #summariseEvaluation(job: LiveJob, at: number): void {
    const { record, progress } = job;
    const evaluation = summariseEvaluation(job);
    progress.resume(this.#clock.elapsedMs());
    this.#book.append(record, at, { kind: 'evaluated', evaluation });
    this.#observer.evaluated?.({ at, record, evaluation });
    this.#save(record);
  }

  async #writeCheckpoint({ jobId, step, purpose }: Extract<CoreEffect, { kind: 'writeCheckpoint' }>): Promise<void> {
    const job = this.#liveJob(jobId);
    const { record, spec } = job;
    const begunMs = this.#clock.elapsedMs();
    try {
      const snapshot = trainingOf(job).snapshot();
      const checkpoint = await this.#checkpointing.write(record, spec, snapshot, purpose);
      const at = this.#clock.now();
      this.#observer.checkpointWritten?.({ at, record, checkpoint, writeMs: this.#clock.elapsedMs() - begunMs });
      if (purpose !== 'recovery') this.#book.append(record, at, { kind: 'checkpointWritten', checkpoint });
      this.#dispatch({ kind: 'checkpointWritten', jobId, step });
    } catch (thrown) {
      const { code, message } = asMetatrainError(thrown);
      const at = this.#clock.now();
      this.#log.error({ jobId, metaStep: step, code, reason: message }, 'a checkpoint could not be written');
      this.#observer.checkpointFailed?.({ at, record, code, reason: message });
      // Before the end the job goes on: the last good checkpoint is still there, and the next one may succeed.
      if (purpose === 'final') this.#dispatch({ kind: 'jobBroken', jobId, code, message });
    }
  }

  #changeJobState(effect: Extract<CoreEffect, { kind: 'changeJobState' }>): void {
    const { jobId, state, reason, failure, waitsForRoom } = effect;
    const { record, spec, progress } = this.#liveJob(jobId);
    const at = this.#clock.now();
    record.state = state;
    if (waitsForRoom) record.waitsForRoom = true;
    else delete record.waitsForRoom;
    if (state === 'running') {
      record.startedAt ??= at;
      progress.resume(this.#clock.elapsedMs());
    }
    if (failure) record.error = failureRecord(failure);
    if (hasEnded(state)) {
      record.endedAt = at;
      recordVerdict(record, spec);
      this.#writeLedger(this.#liveJob(jobId));
      this.#jobs.delete(jobId);
      this.#links.orderAll((link) => link.closeJob(jobId));
    }
    this.#log.info({ jobId, state, reason }, 'job state');
    this.#book.append(record, at, { kind: 'stateChanged', state, reason, ...(failure && { error: failure }) });
    this.#observer.jobStateChanged?.({ at, record, state, reason, ...(failure && { failure }) });
    this.#save(record);
  }

  #writeLedger({ ledger, record }: LiveJob): void {
    ledger
      .write()
      .catch((err: unknown) => this.#log.error({ jobId: record.jobId, err }, 'shard hashes could not be stored'));
  }

  /** In the background; the book logs what fails, and what is in memory goes on. */
  #save(record: JobRecord): void {
    this.#book.save(record).catch(() => undefined);
  }

  #liveJob(jobId: string): LiveJob {
    const job = this.#jobs.get(jobId);
    if (!job) throw new Error(`the core speaks of job ${jobId}, which is not open`);
    return job;
  }

  /** Ends the streams, writes what running jobs would otherwise have to compute again, and stops. May be called twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopTicks();
    this.#links.closeAll(shuttingDown());
    await this.#checkpointing.end(this.#jobs.values());
    this.#book.end();
  }
}

const shuttingDown = () => new MetatrainError('SHUTTING_DOWN', 'the coordinator is shutting down; try again');
