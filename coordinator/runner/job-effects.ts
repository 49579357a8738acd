// The jobs that have not ended, and what the core orders of them: reduce a batch, write a
// checkpoint, change a state. Every write of a record is done here and not by an observer, since
// decisions depend on it: a request is answered once its record is on the disk, and a restart
// begins from it. A change is reported before its record is saved, so that a job's last event is
// under way before the book counts the job as over; a checkpoint is reported when it is on the disk.
import type { ResolvedJob } from '../../learning/job.ts';
import type { AppliedMetaStep } from '../../learning/outer-loop/training.ts';
import type { Clock } from '../../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { CoreEffect } from '../core/effect.ts';
import type { CoreEvent, Untimed } from '../core/event.ts';
import type { Checkpointing } from '../jobs/checkpointing.ts';
import type { JobBook } from '../jobs/job-book.ts';
import {
  adoptSpan,
  applyMetaStep,
  ensembleOf,
  type LiveJob,
  liveJob,
  membersOf,
  proveChain,
  recordVerdict,
  summariseEvaluation,
  trainingOf,
} from '../jobs/live-job.ts';
import type { Observer } from '../observers/happenings.ts';
import { type ChainHead, failureRecord, hasEnded, type JobRecord } from '../store/job-record.ts';

type EffectOf<Kind extends CoreEffect['kind']> = Extract<CoreEffect, { kind: Kind }>;

/** The answers to the effects; their time is the runner's to add. */
export type JobAnswer = Untimed<
  Extract<CoreEvent, { kind: 'reduced' | 'ensembleLoaded' | 'checkpointWritten' | 'jobBroken' }>
>;

export interface JobEffectsDependencies {
  readonly book: JobBook;
  readonly checkpointing: Checkpointing;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly answer: (answer: JobAnswer) => void;
  /** The job has ended: no worker needs it any more. */
  readonly onEnded: (jobId: string) => void;
}

export class JobEffects {
  readonly #book: JobBook;
  readonly #checkpointing: Checkpointing;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #answer: (answer: JobAnswer) => void;
  readonly #onEnded: (jobId: string) => void;
  readonly #jobs = new Map<string, LiveJob>();

  constructor({ book, checkpointing, clock, observer, answer, onEnded }: JobEffectsDependencies) {
    this.#book = book;
    this.#checkpointing = checkpointing;
    this.#clock = clock;
    this.#observer = observer;
    this.#answer = answer;
    this.#onEnded = onEnded;
  }

  /** Jobs that have not ended, by id. */
  get live(): ReadonlyMap<string, LiveJob> {
    return this.#jobs;
  }

  /** From here on the core may speak of the job. */
  open(
    record: JobRecord,
    job: ResolvedJob,
    { training, draws }: Pick<LiveJob, 'training' | 'draws'>,
    isRestored: boolean,
  ): void {
    const ledger = this.#book.ledger(record.jobId);
    this.#jobs.set(record.jobId, liveJob(record, job, { training, ledger, draws, now: this.#clock.elapsedMs() }));
    this.#observer.jobOpened?.({ at: this.#clock.now(), record, job, isRestored });
  }

  job(jobId: string): LiveJob {
    const job = this.#jobs.get(jobId);
    if (!job) throw new Error(`the core speaks of job ${jobId}, which is not open`);
    return job;
  }

  /**
   * The job cannot go on from anything that is its own: it fails, and is not begun again behind its
   * owner's back.
   */
  async giveUp(record: JobRecord, { code, message }: MetatrainError): Promise<void> {
    const at = this.#clock.now();
    const failure = { code, message };
    Object.assign(record, { state: 'failed', error: failureRecord(failure), endedAt: at });
    this.#observer.jobGivenUp?.({ at, record, failure });
    await this.#book.save(record);
  }

  reduce({ jobId, work }: EffectOf<'reduce'>): void {
    const job = this.job(jobId);
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
        case 'span':
          this.#adoptSpan(job, at);
          break;
        case 'evaluate':
          this.#summariseEvaluation(job, at);
          break;
        default:
          work satisfies never;
      }
    } catch (thrown) {
      if (!(thrown instanceof MetatrainError)) throw thrown;
      this.#answer({ kind: 'jobBroken', jobId, code: thrown.code, message: thrown.message });
      return;
    }
    const reduceMs = this.#clock.elapsedMs() - begunMs;
    this.#observer.batchReduced?.({ at, record: job.record, work, reduceMs });
    this.#answer({ kind: 'reduced', jobId });
  }

  #applyMetaStep(job: LiveJob, at: number): void {
    const { applied, chain } = applyMetaStep(job);
    this.#noteMetaStep(job, { at, elapsedMs: this.#clock.elapsedMs(), applied, chain });
  }

  /** One meta-step after another, at the times that they would have had. */
  #adoptSpan(job: LiveJob, at: number): void {
    const { record, progress } = job;
    const elapsedMs = this.#clock.elapsedMs();
    const steps = adoptSpan(job);
    const beganMs = progress.appliedAt;
    for (const [i, { applied, chain }] of steps.entries()) {
      record.steps = chain.step;
      const share = (i + 1) / steps.length;
      this.#noteMetaStep(job, { at, elapsedMs: beganMs + share * (elapsedMs - beganMs), applied, chain });
    }
    record.paramsSha256 = trainingOf(job).metaParams.sha256.toString('hex');
  }

  #noteMetaStep(
    job: LiveJob,
    step: {
      readonly at: number;
      readonly elapsedMs: number;
      readonly applied: AppliedMetaStep;
      readonly chain: ChainHead;
    },
  ): void {
    const { record, progress } = job;
    const { at, elapsedMs, applied, chain } = step;
    const finding = proveChain(job, chain);
    if (finding) this.#observer.chainCompared?.({ at, record, metaStep: chain.step, finding });
    this.#observer.metaStepApplied?.({ at, record, applied });
    const summary = progress.applied(elapsedMs, record.steps, applied);
    if (!summary) return;
    record.lastMetaStep = summary;
    this.#writeLedger(job);
    this.#observer.metaStepsSummarised?.({ at, record, summary });
    this.#save(record);
  }

  #summariseEvaluation(job: LiveJob, at: number): void {
    const { record, progress } = job;
    const evaluation = summariseEvaluation(job);
    progress.resume(this.#clock.elapsedMs());
    this.#observer.evaluated?.({ at, record, evaluation });
    this.#save(record);
  }

  async loadEnsemble({ jobId }: EffectOf<'loadEnsemble'>): Promise<void> {
    const job = this.job(jobId);
    const { record, spec } = job;
    try {
      const members = membersOf(record);
      const vectors = await this.#checkpointing.paramsOf(record, spec, members);
      job.ensemble = ensembleOf(job, members, vectors);
      this.#answer({ kind: 'ensembleLoaded', jobId, members });
    } catch (thrown) {
      const { code, message } = asMetatrainError(thrown);
      this.#answer({ kind: 'jobBroken', jobId, code, message });
    }
  }

  /**
   * The snapshot is taken at once; the core hears of the checkpoint when it is on the disk, and its
   * record too.
   */
  async writeCheckpoint({ jobId, step, purpose }: EffectOf<'writeCheckpoint'>): Promise<void> {
    const job = this.job(jobId);
    const { record, spec } = job;
    const begunMs = this.#clock.elapsedMs();
    try {
      const snapshot = trainingOf(job).snapshot();
      const checkpoint = await this.#checkpointing.write(record, spec, snapshot, purpose);
      const writeMs = this.#clock.elapsedMs() - begunMs;
      this.#observer.checkpointWritten?.({ at: this.#clock.now(), record, checkpoint, writeMs });
      this.#answer({ kind: 'checkpointWritten', jobId, step });
    } catch (thrown) {
      const { code, message } = asMetatrainError(thrown);
      this.#observer.checkpointFailed?.({ at: this.#clock.now(), record, metaStep: step, code, reason: message });
      // Before the end the job goes on: the last good checkpoint is still there, and the next one
      // may succeed.
      if (purpose === 'final') this.#answer({ kind: 'jobBroken', jobId, code, message });
    }
  }

  changeState({ jobId, state, reason, failure, waitsForRoom }: EffectOf<'changeJobState'>): void {
    const job = this.job(jobId);
    const { record, spec, progress } = job;
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
      this.#writeLedger(job);
      this.#jobs.delete(jobId);
      this.#onEnded(jobId);
    }
    this.#observer.jobStateChanged?.({ at, record, state, reason, ...(failure && { failure }) });
    this.#save(record);
  }

  #writeLedger({ ledger, record }: LiveJob): void {
    ledger
      .write()
      .catch((error: unknown) => this.#observer.shardHashesLost?.({ at: this.#clock.now(), record, error }));
  }

  /** In the background; the book logs what fails, and what is in memory goes on. */
  #save(record: JobRecord): void {
    this.#book.save(record).catch(() => undefined);
  }
}
