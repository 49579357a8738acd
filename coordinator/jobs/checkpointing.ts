// Writes a job's checkpoints one after another and keeps the newest; finds the newest good one after a
// restart. A checkpoint counts once its file is complete and its record is on the disk; an older one is
// removed only after that. Where the disk refuses one, it waits with its snapshot until the disk takes
// it: nothing that was to be kept is left out.
import type { ResolvedJob } from '../../learning/job.ts';
import type { SecretDraws } from '../../learning/outer-loop/secret-draws.ts';
import { Training, type TrainingSnapshot } from '../../learning/outer-loop/training.ts';
import type { Checkpoint } from '../../shared/checkpoint.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import type { Logger } from '../../shared/log.ts';
import { bytesOfVector, sha256 } from '../../shared/tensor-codec.ts';
import type { CheckpointStore } from '../store/checkpoint-store.ts';
import { type CheckpointRecord, hasEnded, type JobRecord, type RankedStep } from '../store/job-record.ts';
import { isStorageRefusal } from '../store/storage-errors.ts';
import type { JobBook } from './job-book.ts';
import type { LiveJob } from './live-job.ts';

export interface Restored {
  readonly training: Training | undefined;
  /** Checkpoints that could not be read, newest first, in words. */
  readonly leftOut: readonly string[];
}

/** A write that the disk has refused. */
interface Waiting {
  readonly record: JobRecord;
  error: MetatrainError;
  wake: () => void;
}

export class Checkpointing {
  readonly #files: CheckpointStore;
  readonly #book: JobBook;
  readonly #log: Logger;
  /** The last write of each job, settled or not. */
  readonly #writes = new Map<string, Promise<unknown>>();
  readonly #waiting = new Set<Waiting>();
  #isEnding = false;

  constructor(files: CheckpointStore, book: JobBook, log: Logger) {
    this.#files = files;
    this.#book = book;
    this.#log = log;
  }

  /**
   * Writes the snapshot after the writes before it, records it, and removes what is no longer kept.
   * Where the disk refuses, it waits, see `retry`.
   *
   * @throws MetatrainError `INTERNAL` when it cannot be written, `DISK_FULL` or `STORAGE_UNAVAILABLE` when the job or the coordinator ended while it waited; the
   *   checkpoints before it stay.
   */
  write(
    record: JobRecord,
    spec: JobSpec,
    snapshot: TrainingSnapshot,
    purpose: CheckpointRecord['purpose'],
  ): Promise<CheckpointRecord> {
    const { jobId } = record;
    const before = this.#writes.get(jobId) ?? Promise.resolve();
    const written = before.catch(() => undefined).then(() => this.#writeNow(record, spec, snapshot, purpose));
    this.#writes.set(jobId, written);
    const forget = () => {
      if (this.#writes.get(jobId) === written) this.#writes.delete(jobId);
    };
    written.then(forget, forget);
    return written;
  }

  async #writeNow(
    record: JobRecord,
    spec: JobSpec,
    snapshot: TrainingSnapshot,
    purpose: CheckpointRecord['purpose'],
  ): Promise<CheckpointRecord> {
    const { metaParams, layout, slots, chain, skippedTasks, carried } = snapshot;
    const { step } = metaParams;
    const paramsSha256 = metaParams.sha256.toString('hex');
    const previous = record.checkpoints.findLast((other) => other.purpose !== 'recovery' && other.step < step);
    const checkpoint: Checkpoint = {
      metadata: {
        jobId: record.jobId,
        spec: record.spec,
        step,
        nextTask: step * spec.meta.batchSize,
        paramsSha256,
        chainSha256: chain.toString('hex'),
        previousSha256: previous?.sha256 ?? '',
        engineFingerprint: record.engineFingerprint ?? '',
        skippedTasks,
      },
      layout,
      metaParams: metaParams.vector,
      slots,
      ...(carried && { carried: carried.map((one) => one?.vector) }),
    };
    const { sha256, bytes } = await this.#patiently(record, () => this.#files.write(checkpoint));
    const written: CheckpointRecord = { step, sha256, bytes, paramsSha256, purpose };
    const all = [...record.checkpoints.filter((other) => other.step !== step), written].sort((a, b) => a.step - b.step);
    await this.#keep(record, spec, all);
    return written;
  }

  /** Records those that are kept, and removes the files of the others. */
  async #keep(record: JobRecord, spec: JobSpec, all: readonly CheckpointRecord[]): Promise<void> {
    record.checkpoints = kept(all, spec.checkpoint.keep, record.best ?? []);
    await this.#patiently(record, () => this.#book.save(record));
    const steps = new Set(record.checkpoints.map((other) => other.step));
    for (const { step } of all) if (!steps.has(step)) await this.#files.remove(record.jobId, step);
  }

  async #patiently<Result>(record: JobRecord, write: () => Promise<Result>): Promise<Result> {
    let waiting: Waiting | undefined;
    try {
      for (;;) {
        try {
          return await write();
        } catch (error) {
          if (!isStorageRefusal(error) || this.#isEnding) throw error;
          waiting = await this.#wait(record, error, waiting);
          if (this.#isEnding || hasEnded(record.state)) throw error;
        }
      }
    } finally {
      if (waiting) this.#waiting.delete(waiting);
    }
  }

  /** Resolves when it is time to try again; until the write has succeeded its job counts as waiting. */
  async #wait(record: JobRecord, error: MetatrainError, before: Waiting | undefined): Promise<Waiting> {
    const { jobId } = record;
    const { code, message: reason } = error;
    if (before?.error.code !== code) this.#log.error({ jobId, code, reason }, 'a checkpoint waits for the disk');
    const waiting = before ?? { record, error, wake: () => undefined };
    this.#waiting.add(waiting);
    await new Promise<void>((resolve) => Object.assign(waiting, { error, wake: resolve }));
    return waiting;
  }

  /**
   * Lets those try again that may succeed now: with the room that they need, or because what refused
   * them may have passed. Lets those go whose job has ended.
   *
   * @returns what still waits: the job, and the error that says why.
   */
  retry(freeBytes: number): { readonly jobId: string; readonly error: MetatrainError }[] {
    const left: { jobId: string; error: MetatrainError }[] = [];
    for (const { record, error, wake } of this.#waiting) {
      const isFull = error.code === 'DISK_FULL';
      const hasRoom = isFull && freeBytes >= Number(error.details.neededBytes);
      if (hasRoom || !isFull || hasEnded(record.state)) wake();
      if (!hasRoom && !hasEnded(record.state)) left.push({ jobId: record.jobId, error });
    }
    return left;
  }

  /**
   * θ of the checkpoints of these meta-steps, once the writes before are over. Those that were one
   * of the best for a while are removed then.
   *
   * @throws MetatrainError `CHECKPOINT_CORRUPT` when one is not there or not good, `STORAGE_UNAVAILABLE`.
   */
  async paramsOf(record: JobRecord, spec: JobSpec, steps: readonly number[]): Promise<Float32Array[]> {
    await this.#writes.get(record.jobId)?.catch(() => undefined);
    await this.#keep(record, spec, record.checkpoints);
    const vectors: Float32Array[] = [];
    for (const step of steps) {
      const checkpoint = record.checkpoints.find((other) => other.step === step);
      if (!checkpoint) {
        const message = `the checkpoint of meta-step ${step}, one of the best of the job, is not there: it could not be written or read`;
        throw new MetatrainError('CHECKPOINT_CORRUPT', message);
      }
      const read = await this.#files.read(record.jobId, checkpoint);
      checkIdentity(record, read, this.#files.fileOf(record.jobId, step));
      vectors.push(read.metaParams);
    }
    return vectors;
  }

  /** Writes what running jobs would otherwise have to compute again, and waits for every write; for room nothing waits any more. */
  async end(jobs: Iterable<Pick<LiveJob, 'record' | 'spec' | 'training'>>): Promise<void> {
    this.#isEnding = true;
    for (const { wake } of this.#waiting) wake();
    for (const { record, spec, training } of jobs) {
      const newest = record.checkpoints.at(-1)?.step ?? 0;
      if (!training || training.metaParams.step <= newest) continue;
      await this.write(record, spec, training.snapshot(), 'recovery').catch((err: unknown) =>
        this.#log.error({ jobId: record.jobId, err }, 'no checkpoint at the end'),
      );
    }
    await Promise.allSettled(this.#writes.values());
  }

  /**
   * The job's state from its newest good checkpoint, undefined where it never had one. A corrupt one is taken off the record, logged and
   * named, and the one before it serves: what lies between is computed again, to the same bytes.
   *
   * @param draws of a job with `meta.privacy`.
   * @throws MetatrainError `CHECKPOINT_CORRUPT` when it had checkpoints and none of them is good, `STORAGE_UNAVAILABLE` when one cannot be read now;
   *   the record and the files stay as they are.
   */
  async restore(record: JobRecord, job: ResolvedJob, draws?: SecretDraws): Promise<Restored> {
    const leftOut: string[] = [];
    let restored: Checkpoint | undefined;
    for (const checkpoint of record.checkpoints.toReversed()) {
      try {
        restored = await this.#files.read(record.jobId, checkpoint);
        checkIdentity(record, restored, this.#files.fileOf(record.jobId, checkpoint.step));
        break;
      } catch (error) {
        if (isStorageRefusal(error)) throw error;
        restored = undefined;
        const { message } = asMetatrainError(error);
        this.#log.error(
          { jobId: record.jobId, metaStep: checkpoint.step, reason: message },
          'a checkpoint is corrupt and left out',
        );
        leftOut.push(message);
      }
    }
    if (!restored && leftOut.length > 0) {
      const message = `none of the job's ${leftOut.length} checkpoints is good, and it is not begun again unasked: ${leftOut.join('; ')}`;
      throw new MetatrainError('CHECKPOINT_CORRUPT', message);
    }
    record.checkpoints = record.checkpoints.slice(0, record.checkpoints.length - leftOut.length);
    await this.#files.removeUnrecorded(record.jobId, record.checkpoints);
    if (!restored) return { training: undefined, leftOut };
    return { training: Training.restore({ ...job, draws }, snapshotOf(restored)), leftOut };
  }
}

/** What a checkpoint holds of a job's numbers. */
export function snapshotOf({ metadata, layout, metaParams, slots, carried }: Checkpoint): TrainingSnapshot {
  const { step, paramsSha256, chainSha256, skippedTasks } = metadata;
  return {
    layout,
    metaParams: { step, vector: metaParams, sha256: Buffer.from(paramsSha256, 'hex') },
    slots,
    chain: Buffer.from(chainSha256, 'hex'),
    skippedTasks,
    ...(carried && { carried: carried.map((vector) => vector && { vector, sha256: sha256(bytesOfVector(vector)) }) }),
  };
}

/** The file is the one that the record means: of this job, this job file, this meta-step and this chain. */
function checkIdentity({ jobId, spec, chainHead }: JobRecord, { metadata }: Checkpoint, file: string): void {
  if (metadata.jobId === jobId && metadata.spec !== spec) {
    throw new MetatrainError('CHECKPOINT_CORRUPT', `checkpoint ${file}: its job file is not that of the job's record`);
  }
  const expected = chainHead?.step === metadata.step ? chainHead.sha256 : metadata.chainSha256;
  if (metadata.jobId === jobId && metadata.chainSha256 === expected) return;
  const found = `job ${metadata.jobId} with chain ${metadata.chainSha256}`;
  throw new MetatrainError(
    'CHECKPOINT_CORRUPT',
    `checkpoint ${file}: expected job ${jobId} with chain ${expected}, found ${found}`,
  );
}

/**
 * The `keep` newest asked-for checkpoints, those of the best evaluations, and the newest of all: a recovery
 * one, or one whose evaluation is not known yet.
 */
function kept(checkpoints: readonly CheckpointRecord[], keep: number, best: readonly RankedStep[]): CheckpointRecord[] {
  const asked = checkpoints.filter(({ purpose }) => purpose === 'scheduled' || purpose === 'final').slice(-keep);
  const steps = new Set([...asked, ...checkpoints.slice(-1), ...best].map(({ step }) => step));
  return checkpoints.filter(({ step }) => steps.has(step));
}
