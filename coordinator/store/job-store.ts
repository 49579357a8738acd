// Job records, idempotency keys and events in one embedded database. A promise that resolves means the
// write is on the disk. Reads are synchronous (the database is mapped into memory) and checked against
// a digest. Writes leave a reserve on the disk: new jobs and hashes are refused before it, events wait
// behind it. Events are bounded per job: meta-step summaries get sparser, so that what is kept still
// tells the whole job; of everything else the oldest go first.
import { dirname } from 'node:path';
import { serialize } from 'node:v8';
import type { RootDatabase } from 'lmdb';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import { jobEvent } from './cluster-events.ts';
import { DiskRoom, essentialReserveBytes, reserveBytes } from './disk-room.ts';
import { EventLog, type EventLogLimits } from './event-log.ts';
import type { JobEventBody, JobEventRecord, JobRecord } from './job-record.ts';
import { KeptEntries } from './kept-entries.ts';
import { loadLmdb } from './native.ts';
import { OrderedWrites } from './ordered-writes.ts';
import { makePrivateFile } from './private-files.ts';
import { type SealedEntry, SealedTable } from './sealed-table.ts';
import { densest, estimatesIn } from './thinning.ts';

/** Kept per job, of each: meta-step summaries, and everything else. */
const maxEventsPerJob = 1_000;

/**
 * Of those that are no summaries, kept per job. An evaluation takes 40 kB for each measure of 1,000
 * points.
 */
const maxEventBytesPerJob = 2 ** 24;

/** The newest summaries, which stay as they came: whoever follows a job misses none of them. */
const neverThinned = 100;

/** Sorts after every number, so that [jobId, last] ends the job's range. */
const last = '￿';

/** About what a write takes: pages of 4 kB for the value, and for the way to it in every tree that changes. */
const eventWriteBytes = 65_536;
const recordWriteBytes = ({ spec, evaluations }: JobRecord) =>
  65_536 + 2 * spec.length + 4_096 * evaluations.length + 64 * estimatesIn(evaluations);

interface Submission {
  readonly jobId: string;
  readonly spec: string;
}

/** What of a job's events is in the database: the next number, and what is kept, oldest first. */
interface EventWindow {
  nextSequence: number;
  readonly summaries: number[];
  readonly others: KeptEntries;
}

export interface JobStoreOptions {
  readonly limits?: Partial<EventLogLimits>;
  readonly room?: DiskRoom;
  /** Told once of every event that cannot be read and is left out. */
  readonly onCorrupt?: (error: MetatrainError) => void;
}

export class JobStore {
  /** In the same database, so that a job's event is in both or in neither. */
  readonly log: EventLog;
  readonly #root: RootDatabase;
  readonly #room: DiskRoom;
  readonly #ordered: OrderedWrites;
  readonly #records: SealedTable<JobRecord, string>;
  readonly #submissions: SealedTable<Submission, string>;
  readonly #events: SealedTable<JobEventRecord, [jobId: string, sequence: number | string]>;
  readonly #shards: SealedTable<Buffer, [jobId: string, metaStep: number | string]>;
  readonly #windows = new Map<string, EventWindow>();

  private constructor(root: RootDatabase, { limits, room, onCorrupt }: Required<JobStoreOptions>) {
    this.#room = room;
    this.#ordered = new OrderedWrites(room);
    this.#root = root;
    this.#records = new SealedTable(root, 'records', onCorrupt);
    this.#submissions = new SealedTable(root, 'submissions', onCorrupt);
    this.#shards = new SealedTable(root, 'shards', onCorrupt);
    this.#events = new SealedTable(root, 'events', onCorrupt);
    this.log = new EventLog(root, this.#ordered, onCorrupt, limits);
  }

  /**
   * @throws MetatrainError `DATA_CORRUPT` when the file is no database of ours, `DISK_FULL` when it had
   * better not be opened, `NOT_READY` without lmdb's binary.
   */
  static async open(
    path: string,
    { limits = {}, room = new DiskRoom(dirname(path)), onCorrupt = () => undefined }: JobStoreOptions = {},
  ): Promise<JobStore> {
    const missing = room.missing(0, essentialReserveBytes);
    if (missing) throw missing;
    const { open } = await loadLmdb();
    try {
      // lmdb would make both files readable by everybody.
      for (const file of [path, `${path}-lock`]) makePrivateFile(file);
      // Without overlappingSync a write's promise waits for the disk.
      const root = open({ path, noSubdir: true, maxDbs: 12, overlappingSync: false });
      return new JobStore(root, { limits, room, onCorrupt });
    } catch (cause) {
      const message = `job database ${path} cannot be opened: ${asMetatrainError(cause).message}`;
      throw new MetatrainError('DATA_CORRUPT', message, { cause });
    }
  }

  /** Every record in no particular order, or why it cannot be read. */
  records(): Iterable<SealedEntry<JobRecord, string>> {
    return this.#records.checked();
  }

  /** How many the database says there are. */
  get recordCount(): number {
    return this.#records.count;
  }

  /** @throws MetatrainError `DATA_CORRUPT` */
  record(jobId: string): JobRecord | undefined {
    return this.#records.get(jobId);
  }

  /** @throws MetatrainError `DATA_CORRUPT` */
  submission(idempotencyKey: string): Submission | undefined {
    return this.#submissions.get(idempotencyKey);
  }

  /** The record and, unless it is empty, its idempotency key: both or neither. @throws MetatrainError `DISK_FULL` */
  async insert(record: JobRecord, idempotencyKey: string): Promise<void> {
    await this.#room.write(2 * recordWriteBytes(record), reserveBytes, () =>
      this.#root.transaction(() => {
        this.#records.put(record.jobId, record);
        if (idempotencyKey !== '') {
          this.#submissions.put(idempotencyKey, { jobId: record.jobId, spec: record.spec });
        }
      }),
    );
  }

  /** Removes the job's record, idempotency key and events: all or nothing. @throws MetatrainError `DISK_FULL`: pages change before others are free */
  async forget({ jobId, idempotencyKey = '' }: JobRecord): Promise<void> {
    const events = [...this.#events.keys({ start: [jobId, 0], end: [jobId, last] })];
    const shards = [...this.#shards.keys({ start: [jobId, 0], end: [jobId, last] })];
    await this.#room.write(eventWriteBytes + 512 * (events.length + shards.length), essentialReserveBytes, () =>
      this.#root.transaction(() => {
        this.#records.remove(jobId);
        if (this.#submissions.find(idempotencyKey)?.jobId === jobId) this.#submissions.remove(idempotencyKey);
        for (const key of shards) this.#shards.remove(key);
        for (const key of events) this.#events.remove(key);
      }),
    );
    this.#windows.delete(jobId);
  }

  /** @throws MetatrainError `DISK_FULL` */
  async save(record: JobRecord): Promise<void> {
    await this.#room.write(recordWriteBytes(record), essentialReserveBytes, () =>
      this.#records.put(record.jobId, record),
    );
  }

  /** Why the record cannot be saved now; undefined where it can. */
  missingRoom(record: JobRecord): MetatrainError | undefined {
    return this.#room.missing(recordWriteBytes(record), essentialReserveBytes);
  }

  /** Writes the events that wait for room, as many as there is room for. */
  retry(): void {
    this.#ordered.retry();
  }

  /** From now on an event that cannot be written is refused instead of waiting. */
  end(): void {
    this.#ordered.end();
  }

  /**
   * Adds the event to the job's own and to the cluster's log: both or neither, since what is put in one go is one transaction.
   *
   * @param record as it is with the event.
   * @returns the event's sequence; the promise tells when it can be read.
   */
  append(
    record: JobRecord,
    at: number,
    body: JobEventBody,
  ): { readonly sequence: number; readonly stored: Promise<unknown> } {
    const { jobId } = record;
    const window = this.#windowOf(jobId);
    const sequence = window.nextSequence;
    window.nextSequence += 1;
    const event = { sequence, at, body };
    const logged = jobEvent(record, event);
    const stored = this.#ordered.run(2 * eventWriteBytes, () => {
      this.#keep(jobId, window, event);
      return Promise.all([this.#events.put([jobId, sequence], event), this.log.put(logged)]);
    });
    return { sequence, stored };
  }

  /** Drops what the event takes the place of. */
  #keep(jobId: string, { summaries, others }: EventWindow, event: JobEventRecord): void {
    let dropped: readonly number[] = [];
    if (event.body.kind === 'metaStep') {
      summaries.push(event.sequence);
      if (summaries.length > maxEventsPerJob) dropped = summaries.splice(densest(summaries, neverThinned), 1);
    } else {
      others.add({ sequence: event.sequence, bytes: serialize(event).byteLength });
      dropped = others.takeExcess().map(({ sequence }) => sequence);
    }
    // What could not be removed is removed with a later one, or stays: a full disk must not end the
    // process.
    for (const sequence of dropped) this.#events.remove([jobId, sequence]).catch(() => undefined);
  }

  /** The hashes of each meta-step's shards, 32 bytes each in shard order; those of meta-steps before `oldest` go. @throws MetatrainError `DISK_FULL` */
  async putShardHashes(jobId: string, steps: ReadonlyMap<number, Buffer>, oldest: number): Promise<void> {
    let bytes = eventWriteBytes;
    for (const hashes of steps.values()) bytes += 256 + hashes.byteLength;
    await this.#room.write(bytes, reserveBytes, () =>
      this.#root.transaction(() => {
        for (const [metaStep, hashes] of steps) this.#shards.put([jobId, metaStep], hashes);
        for (const key of this.#shards.keys({ start: [jobId, 0], end: [jobId, oldest] })) this.#shards.remove(key);
      }),
    );
  }

  /** 32 bytes, undefined when they are not kept. @throws MetatrainError `DATA_CORRUPT` */
  shardHash(jobId: string, metaStep: number, shard: number): Buffer | undefined {
    const hash = this.#shards.get([jobId, metaStep])?.subarray(shard * 32, (shard + 1) * 32);
    return hash?.byteLength === 32 ? hash : undefined;
  }

  /** At most `limit` kept events with a greater sequence, in order. */
  eventsAfter(jobId: string, sequence: number, limit: number): JobEventRecord[] {
    return this.#events.readable({ start: [jobId, sequence + 1], end: [jobId, last], limit }).map(({ value }) => value);
  }

  /** Forgets what is only needed while a job's events still come. */
  endEvents(jobId: string): void {
    this.#windows.delete(jobId);
  }

  #windowOf(jobId: string): EventWindow {
    let window = this.#windows.get(jobId);
    if (!window) {
      const others = new KeptEntries({ count: maxEventsPerJob, bytes: maxEventBytesPerJob });
      window = { nextSequence: 1, summaries: [], others };
      for (const entry of this.#events.checked({ start: [jobId, 0], end: [jobId, last] })) {
        // The number of one that cannot be read is not given again.
        window.nextSequence = entry.isGood ? entry.value.sequence + 1 : window.nextSequence + 1;
        if (!entry.isGood) continue;
        const { sequence, body } = entry.value;
        if (body.kind === 'metaStep') window.summaries.push(sequence);
        else others.add({ sequence, bytes: serialize(entry.value).byteLength });
      }
      this.#windows.set(jobId, window);
    }
    return window;
  }

  async close(): Promise<void> {
    await this.#root.flushed;
    await this.#root.close();
  }
}
