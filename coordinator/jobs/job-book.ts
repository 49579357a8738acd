// Every job's record and story: what clients read. Unfinished records are in memory and written through; ended ones are read from the
// store. An event is told to watchers only once it is on the disk, so nobody hears of what a crash could take back.

import type { ResolvedJob } from '../../learning/job.ts';
import { readJob } from '../../learning/job-file.ts';
import { builtIn, type Registry } from '../../learning/registry.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import { randomId } from '../../shared/rng.ts';
import {
  boundBody,
  hasEnded,
  type JobEventBody,
  type JobEventRecord,
  type JobRecord,
  type JobStateName,
} from '../store/job-record.ts';
import type { JobStore } from '../store/job-store.ts';
import { isStorageRefusal } from '../store/storage-errors.ts';
import { refuseBeyondMemory } from './job-memory.ts';
import { hasSamePlugins, refuseOtherPlugins } from './job-plugins.ts';
import { fillPage } from './page.ts';
import { ShardLedger } from './shard-ledger.ts';

/** Events that one read of a watcher takes. */
const eventsPerRead = 64;

export interface JobBookLimits {
  /** Jobs that have not ended. */
  readonly unfinishedJobs: number;
  /** Jobs of one owner that have not ended; jobs without an owner are not counted. */
  readonly unfinishedJobsPerClient: number;
  /** Memory that the jobs that have not ended may take together. */
  readonly jobBytes: number;
  readonly watchers: number;
  /** Failed and cancelled jobs that are remembered; the oldest beyond are forgotten with their files. Jobs that succeeded stay. */
  readonly endedJobs: number;
}

/** What a client hands in. */
export interface Submission {
  readonly job: ResolvedJob;
  /** Empty or absent: none. */
  readonly idempotencyKey?: string;
  /** Name of the token; empty or absent where there is none. */
  readonly owner?: string;
  /** What the client changed of its job file, for the record. */
  readonly overrides?: readonly string[];
}

export interface JobPage {
  readonly jobs: readonly JobRecord[];
  /** Order of the last job on the page, when there may be more. */
  readonly nextBefore: number | undefined;
}

interface OpenJob {
  readonly record: JobRecord;
  readonly job: ResolvedJob;
}

interface Unsaved {
  readonly record: JobRecord;
  /** There was no room; else it is being written. */
  isWaiting: boolean;
}

export class JobBook {
  readonly #store: JobStore;
  readonly #limits: JobBookLimits;
  readonly #registry: Registry;
  readonly #log: Logger;
  /** Every job, oldest first. */
  readonly #index: { readonly jobId: string; readonly order: number }[] = [];
  readonly #states = new Map<string, JobStateName>();
  readonly #open = new Map<string, OpenJob>();
  /** Records that are not on the disk as they are now, by job: their write is under way, or there was no room for it. */
  readonly #unsaved = new Map<string, Unsaved>();
  /** Why, by job. */
  readonly #unreadable = new Map<string, MetatrainError>();
  /** Submissions on their way to the disk, by idempotency key. */
  readonly #submitting = new Map<string, Promise<unknown>>();
  readonly #watchers = new Map<string, Set<() => void>>();
  /** Events on their way to the disk, by job. */
  readonly #unstored = new Map<string, number>();
  /** Failed and cancelled jobs, the oldest first. */
  readonly #forgettable: string[] = [];
  readonly #onForgotten: (jobId: string) => void;
  #watcherCount = 0;
  #nextOrder = 1;

  /** @param onForgotten the job's files may go. */
  constructor(
    store: JobStore,
    limits: JobBookLimits,
    log: Logger,
    onForgotten: (jobId: string) => void,
    registry: Registry = builtIn,
  ) {
    this.#registry = registry;
    this.#onForgotten = onForgotten;
    this.#store = store;
    this.#limits = limits;
    this.#log = log;
    const records = [...this.#readable()].sort((a, b) => a.record.order - b.record.order);
    for (const { record, job } of records) {
      this.#index.push({ jobId: record.jobId, order: record.order });
      this.#states.set(record.jobId, record.state);
      if (isForgettable(record.state)) this.#forgettable.push(record.jobId);
      if (job) this.#open.set(record.jobId, { record, job });
      this.#nextOrder = record.order + 1;
    }
  }

  /** Every record that can be read. One that cannot stays as it is on the disk, is named by every answer about it, and stops nobody else. */
  *#readable(): Iterable<{ readonly record: JobRecord; readonly job: ResolvedJob | undefined }> {
    let found = 0;
    for (const entry of this.#store.records()) {
      found += 1;
      const { key: jobId } = entry;
      try {
        if (!entry.isGood) throw entry.error;
        yield { record: entry.value, job: this.#checkRecord(jobId, entry.value) };
      } catch (thrown) {
        this.#leaveOut(jobId, thrown);
      }
    }
    const missing = this.#store.recordCount - found;
    if (missing > 0) this.#log.error({ missing }, 'job records cannot be found: the job database is damaged');
  }

  /**
   * @returns a job that has not ended. @throws MetatrainError `DATA_CORRUPT` naming the field that cannot be;
   * `PLUGIN_DIFFERS`.
   */
  #checkRecord(jobId: string, record: JobRecord): ResolvedJob | undefined {
    const isWhole =
      record.jobId === jobId &&
      Number.isSafeInteger(record.order) &&
      Number.isSafeInteger(record.steps) &&
      Array.isArray(record.checkpoints) &&
      Array.isArray(record.evaluations);
    if (!isWhole) throw new MetatrainError('DATA_CORRUPT', 'fields are missing or of another kind');
    if (hasEnded(record.state)) return undefined;
    refuseOtherPlugins(record, this.#registry);
    return readJob(record.spec, this.#registry);
  }

  #leaveOut(jobId: string, thrown: unknown): void {
    if (this.#unreadable.has(jobId)) return;
    const error = asMetatrainError(thrown);
    this.#log.error({ jobId, reason: error.message }, 'a job record cannot be read; its job is left out');
    this.#unreadable.set(jobId, error);
  }

  /** Jobs that have not ended, in submission order. */
  unfinished(): OpenJob[] {
    return [...this.#open.values()];
  }

  /** The record of a job that has not ended, which its one runner may change, and its spec. */
  open(jobId: string): OpenJob | undefined {
    return this.#open.get(jobId);
  }

  /** @throws MetatrainError `JOB_UNKNOWN`, `DATA_CORRUPT`, `PLUGIN_DIFFERS` */
  record(jobId: string): JobRecord {
    const isKnown = this.#open.has(jobId) || this.#states.has(jobId) || this.#unreadable.has(jobId);
    if (!isKnown) throw new MetatrainError('JOB_UNKNOWN', `there is no job ${JSON.stringify(jobId)}`);
    const record = this.#find(jobId);
    if (record) return record;
    const reason = this.#unreadable.get(jobId);
    if (reason?.code === 'PLUGIN_DIFFERS') {
      throw new MetatrainError(reason.code, `job ${jobId} is left out: ${reason.message}`, { details: reason.details });
    }
    throw new MetatrainError('DATA_CORRUPT', `the record of job ${jobId} cannot be read: ${reason?.message ?? ''}`);
  }

  /**
   * A known job's record, from memory or the disk; undefined, and said in the log, where it cannot be
   * read.
   */
  #find(jobId: string): JobRecord | undefined {
    const inMemory = this.#open.get(jobId)?.record ?? this.#unsaved.get(jobId)?.record;
    if (inMemory || this.#unreadable.has(jobId)) return inMemory;
    try {
      const record = this.#store.record(jobId);
      if (!record) throw new MetatrainError('DATA_CORRUPT', 'it was there when the coordinator started, and is gone');
      return record;
    } catch (thrown) {
      this.#leaveOut(jobId, thrown);
      return undefined;
    }
  }

  /**
   * Newest first, those submitted before `before` only; fewer than `size` where their summaries are
   * large.
   */
  page(states: ReadonlySet<JobStateName>, before: number, size: number): JobPage {
    const { items: jobs, hasMore } = fillPage(this.#newestFirst(states, before), size, summaryBytes);
    return { jobs, nextBefore: hasMore ? jobs.at(-1)?.order : undefined };
  }

  *#newestFirst(states: ReadonlySet<JobStateName>, before: number): Iterable<JobRecord> {
    for (let i = this.#index.length - 1; i >= 0; i -= 1) {
      const entry = this.#index[i];
      if (!entry || entry.order >= before) continue;
      const state = this.#states.get(entry.jobId);
      if (states.size > 0 && !(state && states.has(state))) continue;
      const record = this.#find(entry.jobId);
      if (record) yield record;
    }
  }

  /**
   * A new job's record, on the disk; or the job that an earlier submit with the same key and spec made. Every owner's keys are its own.
   *
   * @throws MetatrainError `JOB_EXISTS` for the key of another spec; `REQUEST_INVALID` where the job alone takes more memory than there is;
   *   `QUEUE_FULL`, `DISK_FULL`.
   */
  async submit(submission: Submission, now: number): Promise<{ record: JobRecord; isNew: boolean }> {
    const { job, idempotencyKey = '', owner = '' } = submission;
    // A name holds no line break, so two owners' keys never meet.
    const key = idempotencyKey === '' || owner === '' ? idempotencyKey : `${owner}\n${idempotencyKey}`;
    if (key !== '') {
      await this.#submitting.get(key)?.catch(() => undefined);
      const earlier = this.#store.submission(key);
      if (earlier) {
        const isSameSpec = earlier.spec === JSON.stringify(job.spec);
        const record = isSameSpec ? this.record(earlier.jobId) : undefined;
        if (record && hasSamePlugins(record, job)) return { record, isNew: false };
        const differs = isSameSpec ? 'was made with another version of its plugin' : 'has another spec';
        const message = `idempotency key ${JSON.stringify(idempotencyKey)} belongs to job ${earlier.jobId}, which ${differs}`;
        throw new MetatrainError('JOB_EXISTS', message, { details: { jobId: earlier.jobId } });
      }
    }
    if (this.#open.size >= this.#limits.unfinishedJobs) {
      const message = `${this.#open.size} jobs have not ended, the limit of this coordinator; try again when one has`;
      throw new MetatrainError('QUEUE_FULL', message);
    }
    if (owner !== '') this.#refuseTooMany(owner);
    const others = [...this.#open.values()].map((open) => open.job);
    refuseBeyondMemory(job, others, this.#limits.jobBytes);
    const record = newRecord({ ...submission, idempotencyKey: key }, this.#nextOrder, now);
    this.#nextOrder += 1;
    this.#open.set(record.jobId, { record, job });
    const inserted = this.#store.insert(record, key);
    if (key !== '') this.#submitting.set(key, inserted);
    try {
      await inserted;
    } catch (cause) {
      this.#open.delete(record.jobId);
      if (!isStorageRefusal(cause)) throw new MetatrainError('INTERNAL', 'the job could not be stored', { cause });
      const { code, message, details } = cause;
      throw new MetatrainError(code, `the job is not taken: ${message}, and submit it again`, {
        cause,
        details,
      });
    } finally {
      this.#submitting.delete(key);
    }
    this.#index.push({ jobId: record.jobId, order: record.order });
    this.#states.set(record.jobId, record.state);
    return { record, isNew: true };
  }

  #refuseTooMany(owner: string): void {
    let jobs = 0;
    for (const { record } of this.#open.values()) if (record.owner === owner) jobs += 1;
    if (jobs < this.#limits.unfinishedJobsPerClient) return;
    const message = `${jobs} jobs of ${owner} have not ended, the limit for one client; try again when one has`;
    throw new MetatrainError('QUEUE_FULL', message);
  }

  /**
   * Writes the record as it is now; the promise tells when it is on the disk.
   *
   * @throws MetatrainError `DISK_FULL`, `STORAGE_UNAVAILABLE`: it is kept in memory, and written by a later `retry`.
   */
  async save(record: JobRecord): Promise<void> {
    this.#states.set(record.jobId, record.state);
    if (hasEnded(record.state) && this.#open.delete(record.jobId) && isForgettable(record.state)) {
      this.#forgettable.push(record.jobId);
      this.#forgetOldest();
    }
    try {
      await this.#write(record);
    } catch (error) {
      const { code, message } = asMetatrainError(error);
      this.#log.error({ jobId: record.jobId, code, reason: message }, 'a job record could not be stored');
      throw error;
    }
  }

  async #write(record: JobRecord): Promise<void> {
    const { jobId } = record;
    const unsaved: Unsaved = { record, isWaiting: false };
    this.#unsaved.set(jobId, unsaved);
    try {
      await this.#store.save(record);
    } catch (error) {
      unsaved.isWaiting = isStorageRefusal(error);
      throw error;
    } finally {
      // Unless a later write of the same record has taken its place.
      if (!unsaved.isWaiting && this.#unsaved.get(jobId) === unsaved) this.#unsaved.delete(jobId);
    }
  }

  /** Writes what waits for room on the disk, as much as there is room for. */
  retry(): void {
    this.#store.retry();
    for (const { record, isWaiting } of [...this.#unsaved.values()]) {
      if (!isWaiting) continue;
      if (this.#store.missingRoom(record)) return;
      this.#write(record).catch(() => undefined);
    }
  }

  /** Tries once more, and says what a restart will find as it was before. */
  end(): void {
    this.retry();
    this.#store.end();
    const waiting = [...this.#unsaved].filter(([, { isWaiting }]) => isWaiting);
    const jobIds = waiting.map(([jobId]) => jobId);
    if (jobIds.length > 0)
      this.#log.error({ jobIds }, 'the disk takes no writes: the records of jobs stay as they were');
  }

  /**
   * Forgets a job that has ended: its record, its events and its files.
   *
   * @throws MetatrainError `JOB_UNKNOWN`, `JOB_NOT_ENDED`, `DATA_CORRUPT`
   */
  async forget(jobId: string): Promise<JobRecord> {
    const record = this.record(jobId);
    if (!hasEnded(record.state)) {
      throw new MetatrainError(
        'JOB_NOT_ENDED',
        `job ${jobId} is ${record.state}; only a job that has ended can be deleted`,
      );
    }
    const place = this.#forgettable.indexOf(jobId);
    if (place >= 0) this.#forgettable.splice(place, 1);
    await this.#remove(record);
    return record;
  }

  #forgetOldest(): void {
    if (this.#forgettable.length <= this.#limits.endedJobs) return;
    const jobId = this.#forgettable.shift();
    const record = jobId === undefined ? undefined : this.#find(jobId);
    if (!record) return;
    this.#remove(record).catch((error: unknown) =>
      this.#log.error({ jobId: record.jobId, err: error }, 'an old job could not be forgotten'),
    );
  }

  async #remove(record: JobRecord): Promise<void> {
    const { jobId } = record;
    this.#unsaved.delete(jobId);
    this.#states.delete(jobId);
    const position = this.#index.findIndex((entry) => entry.jobId === jobId);
    if (position >= 0) this.#index.splice(position, 1);
    await this.#store.forget(record);
    this.#onForgotten(jobId);
  }

  ledger(jobId: string): ShardLedger {
    return new ShardLedger(jobId, this.#store);
  }

  /** SHA-256 of the shard's result, hex. @throws MetatrainError `JOB_UNKNOWN`, `SHARD_UNKNOWN` */
  shardHash(jobId: string, metaStep: number, shard: number): string {
    this.record(jobId);
    const hash = this.#store.shardHash(jobId, metaStep, shard);
    if (hash) return hash.toString('hex');
    const message = `shard ${shard} of meta-step ${metaStep} of job ${jobId} is not on record: it is too old, not applied yet, or none`;
    throw new MetatrainError('SHARD_UNKNOWN', message);
  }

  /**
   * Adds to the job's story. The event reaches the disk with its place in the cluster's log, in one transaction, and watchers only then.
   *
   * @param record as it is with the event.
   */
  append(record: JobRecord, at: number, body: JobEventBody): void {
    const { jobId } = record;
    this.#unstored.set(jobId, (this.#unstored.get(jobId) ?? 0) + 1);
    const { stored } = this.#store.append(record, at, boundBody(body));
    void stored
      .catch((error: unknown) => this.#log.error({ jobId, err: error }, 'a job event could not be stored'))
      .then(() => {
        const left = (this.#unstored.get(jobId) ?? 1) - 1;
        if (left > 0) this.#unstored.set(jobId, left);
        else this.#unstored.delete(jobId);
        if (left === 0 && !this.#open.has(jobId)) this.#store.endEvents(jobId);
        for (const notify of [...(this.#watchers.get(jobId) ?? [])]) notify();
      });
  }

  /** The job has ended, and its last event can be read. */
  isOver(jobId: string): boolean {
    return !this.#open.has(jobId) && !this.#unstored.has(jobId);
  }

  /** The next kept events after `sequence`; `isOver` when there are none and will be none. */
  eventsAfter(jobId: string, sequence: number): { events: readonly JobEventRecord[]; isOver: boolean } {
    const isOver = this.isOver(jobId);
    const events = this.#store.eventsAfter(jobId, sequence, eventsPerRead);
    return { events, isOver: isOver && events.length === 0 };
  }

  /**
   * @param notify called when there may be more to read.
   * @returns ends the watch; may be called twice.
   * @throws MetatrainError `QUEUE_FULL` at the limit of watchers.
   */
  watch(jobId: string, notify: () => void): () => void {
    if (this.#watcherCount >= this.#limits.watchers) {
      throw new MetatrainError('QUEUE_FULL', `${this.#watcherCount} watchers, the limit of this coordinator`);
    }
    const watchers = this.#watchers.get(jobId) ?? new Set();
    this.#watchers.set(jobId, watchers.add(notify));
    this.#watcherCount += 1;
    return () => {
      if (!watchers.delete(notify)) return;
      this.#watcherCount -= 1;
      if (watchers.size === 0) this.#watchers.delete(jobId);
    };
  }
}

/** About what a job takes in a list: everything but its error is bounded far below this. */
const summaryBytes = ({ error }: JobRecord): number => 4_096 + Buffer.byteLength(error?.message ?? '');

const isForgettable = (state: JobStateName): boolean => state === 'failed' || state === 'cancelled';

function newRecord(submission: Submission, order: number, now: number): JobRecord {
  const { job, idempotencyKey = '', owner = '', overrides = [] } = submission;
  const { spec, words, publishedWords, plugins } = job;
  return {
    jobId: randomId(),
    order,
    name: spec.name,
    spec: JSON.stringify(spec),
    words,
    ...(publishedWords && { publishedWords }),
    ...(plugins.length > 0 && { plugins }),
    submittedAt: now,
    idempotencyKey,
    ...(owner === '' ? {} : { owner }),
    ...(overrides.length === 0 ? {} : { overrides }),
    state: 'queued',
    startedAt: undefined,
    endedAt: undefined,
    steps: 0,
    iterations: spec.meta.iterations,
    paramsSha256: '',
    evaluations: [],
    checkpoints: [],
    error: undefined,
    lastMetaStep: undefined,
    engineFingerprint: undefined,
    hasMixedFingerprints: false,
    skippedTasks: 0,
    splitDescription: '',
    isTransductive: false,
  };
}
