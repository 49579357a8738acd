// Job records, idempotency keys and events in one embedded database. A write's promise resolves
// when it is on the disk. Reads are synchronous (the database is memory-mapped) and checked against
// a digest. Writes keep a reserve of disk room: new jobs and hashes are refused, events wait.
// Events are bounded per job: meta-step summaries are thinned out evenly, so that the kept ones
// span the whole job; of all other events the oldest are dropped.
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

/** Most summaries of meta-steps, and most other events, that are kept of a job. */
const maxEventsPerJob = 1_000;

/**
 * Most bytes of a job's other events. An evaluation takes 40 kB for each measure of 1,000 points.
 */
const maxEventBytesPerJob = 2 ** 24;

/** The newest summaries are never thinned out, so a follower of the job misses none of them. */
const neverThinned = 100;

/** Sorts after every number, so that [jobId, last] ends the job's range. */
const last = '￿';

/** About what a write takes: pages of 4 kB for the value and for its path in every changed tree. */
const eventWriteBytes = 65_536;
const recordWriteBytes = ({ spec, evaluations }: JobRecord) =>
  65_536 + 2 * spec.length + 4_096 * evaluations.length + 64 * estimatesIn(evaluations);

interface Submission {
  readonly jobId: string;
  readonly spec: string;
}

/** A job's events in the database: the next number, and the kept events, oldest first. */
interface EventWindow {
  nextSequence: number;
  readonly summaries: number[];
  readonly others: KeptEntries;
}

export interface JobStoreOptions {
  readonly limits?: Partial<EventLogLimits>;
  readonly room?: DiskRoom;
  /** Called once for every event that cannot be read and is left out. */
  readonly onCorrupt?: (error: MetatrainError) => void;
}

export class JobStore {
  /** In the same database, so that a job's event is in both logs or in neither. */
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
   * @throws MetatrainError `DATA_CORRUPT` when the file is not a database of ours, `DISK_FULL` when
   *   there is too little room to open it, `NOT_READY` without lmdb's binary.
   */
  static async open(
    path: string,
    { limits = {}, room = new DiskRoom(dirname(path)), onCorrupt = () => undefined }: JobStoreOptions = {},
  ): Promise<JobStore> {
    const missing = room.missing(0, essentialReserveBytes);
    if (missing) throw missing;
    const { open } = await loadLmdb();
    try {
      // lmdb would make both files readable by every user.
      for (const file of [path, `${path}-lock`]) makePrivateFile(file);
      // Without overlappingSync, a write's promise resolves after the disk has it.
      const root = open({ path, noSubdir: true, maxDbs: 12, overlappingSync: false });
      return new JobStore(root, { limits, room, onCorrupt });
    } catch (cause) {
      const message = `job database ${path} cannot be opened: ${asMetatrainError(cause).message}`;
      throw new MetatrainError('DATA_CORRUPT', message, { cause });
    }
  }

  /** Every record in no particular order, or the reason why it cannot be read. */
  records(): Iterable<SealedEntry<JobRecord, string>> {
    return this.#records.checked();
  }

  /** Number of records, according to the database. */
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

  /**
   * Writes the record and, unless it is empty, its idempotency key: both or neither.
   *
   * @throws MetatrainError `DISK_FULL`
   */
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

  /**
   * Removes the job's record, idempotency key and events: all or nothing.
   *
   * @throws MetatrainError `DISK_FULL`: a removal writes new pages before old ones become free.
   */
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

  /** Why the record cannot be saved now; undefined if it can. */
  missingRoom(record: JobRecord): MetatrainError | undefined {
    return this.#room.missing(recordWriteBytes(record), essentialReserveBytes);
  }

  /** Writes the events that wait for room, as many as fit. */
  retry(): void {
    this.#ordered.retry();
  }

  /** From now on, an event that cannot be written is refused instead of waiting. */
  end(): void {
    this.#ordered.end();
  }

  /**
   * Adds the event to the job's log and to the cluster's log. Both are written in one transaction,
   * so that a crash leaves both or neither.
   *
   * @param record in its state with the event.
   * @returns the event's sequence; the promise resolves when the event can be read.
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

  /** Removes the events that the new event displaces. */
  #keep(jobId: string, { summaries, others }: EventWindow, event: JobEventRecord): void {
    let dropped: readonly number[] = [];
    if (event.body.kind === 'metaStep') {
      summaries.push(event.sequence);
      if (summaries.length > maxEventsPerJob) dropped = summaries.splice(densest(summaries, neverThinned), 1);
    } else {
      others.add({ sequence: event.sequence, bytes: serialize(event).byteLength });
      dropped = others.takeExcess().map(({ sequence }) => sequence);
    }
    // An event that could not be removed goes with a later one, or stays: a full disk must not end
    // the process.
    for (const sequence of dropped) this.#events.remove([jobId, sequence]).catch(() => undefined);
  }

  /**
   * Stores the hashes of each meta-step's shards, 32 bytes each in shard order. Removes those of
   * meta-steps before `oldest`.
   *
   * @throws MetatrainError `DISK_FULL`
   */
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

  /**
   * 32 bytes; undefined when the hash is not kept.
   *
   * @throws MetatrainError `DATA_CORRUPT`
   */
  shardHash(jobId: string, metaStep: number, shard: number): Buffer | undefined {
    const hash = this.#shards.get([jobId, metaStep])?.subarray(shard * 32, (shard + 1) * 32);
    return hash?.byteLength === 32 ? hash : undefined;
  }

  /** At most `limit` kept events with a greater sequence, in order. */
  eventsAfter(jobId: string, sequence: number, limit: number): JobEventRecord[] {
    return this.#events.readable({ start: [jobId, sequence + 1], end: [jobId, last], limit }).map(({ value }) => value);
  }

  /** Releases the memory that is needed only while the job still has new events. */
  endEvents(jobId: string): void {
    this.#windows.delete(jobId);
  }

  #windowOf(jobId: string): EventWindow {
    let window = this.#windows.get(jobId);
    if (!window) {
      const others = new KeptEntries({ count: maxEventsPerJob, bytes: maxEventBytesPerJob });
      window = { nextSequence: 1, summaries: [], others };
      for (const entry of this.#events.checked({ start: [jobId, 0], end: [jobId, last] })) {
        // The number of an event that cannot be read is not given again.
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
