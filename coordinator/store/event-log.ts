// The cluster's log of events, of jobs and workers in one order, durable and bounded. WatchEvents,
// the console and NATS read it. A job's event is written here in the transaction that writes it for
// WatchJob, so after a crash both have it or neither. Each reader holds a cursor only: a reader
// that stops reading costs no memory, and readers that keep up are served from memory.
import { serialize } from 'node:v8';
import type { RootDatabase } from 'lmdb';
import { nextTurn } from '../../shared/clock.ts';
import { type ClusterEvent, type EventName, nameOf, sequenceOf, sequenceText } from '../../shared/cluster-event.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { randomId } from '../../shared/rng.ts';
import type { LoggedEvent } from './cluster-events.ts';
import { KeptEntries, type KeptEntry } from './kept-entries.ts';
import type { OrderedWrites } from './ordered-writes.ts';
import { SealedTable } from './sealed-table.ts';

export interface EventLogLimits {
  /** Most summaries of meta-steps that are kept. The oldest are dropped first. */
  readonly summaries: number;
  /** Most other events that are kept. */
  readonly others: number;
  /** Most bytes of summaries, and most bytes of other events. */
  readonly bytes: number;
  /** Most readers at a time. */
  readonly followers: number;
}

const defaultLimits: EventLogLimits = { summaries: 50_000, others: 50_000, bytes: 2 ** 28, followers: 2_000 };

/** No event is larger. A key with a larger size was changed by the disk. */
const maxEventBytes = 2 ** 20;

export interface FollowOptions {
  /** Only events with a greater sequence. Default 0: all that are kept. */
  readonly after?: number;
  /** Only events from this time on, milliseconds since 1970. */
  readonly since?: number;
  /** Only events of this job. Default: of every job and every worker. */
  readonly jobId?: string;
  /** False: end after the events that exist now. Default true. */
  readonly isFollowing?: boolean;
  /** Ends the loop, without an error. */
  readonly signal?: AbortSignal;
  /** A reader of the coordinator itself, which is exempt from the limit of readers. */
  readonly isOwn?: boolean;
}

/**
 * Sorts by sequence. Kind and bytes are in the key, so a start need not read the values of a
 * hundred thousand events.
 */
type EntryKey = [sequence: number, kind: Kind, bytes: number];
type Kind = 0 | 1;
const other = 0;
const summary = 1;

/** Sorts after every number. */
const last = '￿';

const eventsPerRead = 64;

/** About what a write takes, including the changed pages of each tree. */
const writeBytes = 65_536;

interface Page {
  readonly events: readonly ClusterEvent[];
  /** Where the next read begins. */
  readonly cursor: number;
}

export class EventLog {
  /** The permanent id of this state directory. */
  readonly clusterId: string;
  readonly #limits: EventLogLimits;
  readonly #ordered: OrderedWrites;
  readonly #entries: SealedTable<LoggedEvent, EntryKey>;
  readonly #ofJobs: SealedTable<EntryKey, [jobId: string, sequence: number | string]>;
  /** `clusterId`, and the position of each reader that must miss nothing. */
  readonly #notes: SealedTable<string | number, string>;
  readonly #kept: readonly [others: KeptEntries, summaries: KeptEntries];
  readonly #notify = new Set<() => void>();
  readonly #recent = new RecentEvents();
  #newest = 0;

  /**
   * @param ordered also runs the other writes that must be readable in the order of their events.
   * @param onCorrupt called for every event that cannot be read. Readers skip such events.
   */
  constructor(
    root: RootDatabase,
    ordered: OrderedWrites,
    onCorrupt: (error: MetatrainError) => void,
    limits: Partial<EventLogLimits> = {},
  ) {
    this.#ordered = ordered;
    this.#limits = { ...defaultLimits, ...limits };
    const { others, summaries, bytes } = this.#limits;
    this.#kept = [new KeptEntries({ count: others, bytes }), new KeptEntries({ count: summaries, bytes })];
    this.#entries = new SealedTable(root, 'log', onCorrupt);
    this.#ofJobs = new SealedTable(root, 'log-of-jobs', onCorrupt);
    this.#notes = new SealedTable(root, 'log-notes', onCorrupt);
    const known = this.#notes.find('clusterId');
    this.clusterId = typeof known === 'string' ? known : randomId();
    // Queued before the first event, and so on the disk before it.
    if (known === undefined) this.#notes.put('clusterId', this.clusterId).catch(() => undefined);
    this.#newest = this.#newestOnDisk();
    for (const [sequence, kind, bytes] of this.#entries.keys()) {
      // A key that the disk has changed may hold any number.
      const isPossible = sequence <= this.#newest && bytes >= 0 && bytes <= maxEventBytes;
      if (isPossible && (kind === other || kind === summary)) this.#kept[kind].add({ sequence, bytes });
    }
  }

  /**
   * The sequence of the newest event, 0 if there is none. Counts events after the newest readable
   * one, so that no number is given twice.
   */
  #newestOnDisk(): number {
    let unreadable = 0;
    for (const { key, isGood } of this.#entries.checked({ reverse: true })) {
      if (isGood) return key[0] + unreadable;
      unreadable += 1;
    }
    return 0;
  }

  /** The `source` of every event of this cluster. */
  get source(): string {
    return `/metatrain/clusters/${this.clusterId}`;
  }

  /** The greatest sequence given so far. */
  get newest(): number {
    return this.#newest;
  }

  /** Number of kept events with a greater sequence. */
  countAfter(sequence: number): number {
    return this.#kept[other].countAfter(sequence) + this.#kept[summary].countAfter(sequence);
  }

  /**
   * Waits for room if necessary.
   *
   * @returns resolves when the event is on the disk: then readers find it, and followers have been
   *   notified. Rejects when it could not be written.
   */
  append(event: LoggedEvent): Promise<unknown> {
    return this.#ordered.run(writeBytes, () => this.put(event));
  }

  /** Appends without waiting: for the store, when its turn in `ordered` has come. */
  put(event: LoggedEvent): Promise<void> {
    this.#newest += 1;
    const sequence = this.#newest;
    const kind = kindOf(event.name);
    const key: EntryKey = [sequence, kind, serialize(event).byteLength];
    this.#kept[kind].add({ sequence, bytes: key[2] });
    for (const entry of this.#kept[kind].takeExcess()) this.#drop(kind, entry);
    if (isOfJob(event.name)) void this.#ofJobs.put([event.subject, sequence], key).catch(() => undefined);
    return this.#entries.put(key, event).then(() => {
      this.#recent.add(sequence, this.#cloudEvent(sequence, event));
      for (const notify of [...this.#notify]) notify();
    });
  }

  #drop(kind: Kind, { sequence, bytes }: KeptEntry): void {
    this.#recent.drop(sequence);
    const event = this.#entries.find([sequence, kind, bytes]);
    // An entry that could not be removed stays: a full disk must not end the process.
    this.#entries.remove([sequence, kind, bytes]).catch(() => undefined);
    if (event) this.#ofJobs.remove([event.subject, sequence]).catch(() => undefined);
  }

  /**
   * Events in order, each once. Reads a few at a time, and only when the caller asks for the next.
   *
   * @throws MetatrainError `QUEUE_FULL` at the limit of followers.
   */
  async *follow(options: FollowOptions = {}): AsyncGenerator<ClusterEvent, void> {
    const { after = 0, since, jobId, isFollowing = true, signal, isOwn = false } = options;
    let cursor = since === undefined ? after : Math.max(after, this.#before(since));
    let hasNews = false;
    let wake = () => {};
    const stopWatching = this.watch(() => {
      hasNews = true;
      wake();
    }, isOwn);
    const abort = () => wake();
    signal?.addEventListener('abort', abort);
    try {
      while (!signal?.aborted) {
        hasNews = false;
        const page = this.read(cursor, jobId);
        for (const event of page.events) {
          yield event;
          if (signal?.aborted) return;
        }
        if (page.cursor > cursor) {
          cursor = page.cursor;
          // Lets other streams run while one reader reads a long log.
          await nextTurn();
        } else if (!isFollowing) {
          return;
        } else if (!hasNews) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      stopWatching();
      signal?.removeEventListener('abort', abort);
    }
  }

  /**
   * @param notify called when there may be more to read.
   * @returns ends the watch; may be called twice.
   * @throws MetatrainError `QUEUE_FULL` at the limit of followers, unless `isOwn`.
   */
  watch(notify: () => void, isOwn = false): () => void {
    if (!isOwn && this.#notify.size >= this.#limits.followers) {
      throw new MetatrainError('QUEUE_FULL', `${this.#notify.size} follow the events, the limit of this coordinator`);
    }
    this.#notify.add(notify);
    return () => void this.#notify.delete(notify);
  }

  /** The next kept events after `cursor`, at most 64. */
  read(cursor: number, jobId?: string): Page {
    const events =
      this.#recent.after(cursor, jobId) ?? (jobId === undefined ? this.#readAll(cursor) : this.#readJob(cursor, jobId));
    return { events, cursor: events.length > 0 ? Number(events.at(-1)?.sequence) : cursor };
  }

  /**
   * The newest kept events, at most `count`, in order and without summaries of meta-steps. The
   * cursor is after everything that can be read now.
   */
  latest(count: number): Page {
    const newest = this.#newestOnDisk();
    const events = this.#kept[other].newest(count).flatMap(({ sequence, bytes }) => {
      const event = this.#entries.find([sequence, other, bytes]);
      return event && sequence <= newest ? [this.#cloudEvent(sequence, event)] : [];
    });
    return { events, cursor: newest };
  }

  #readAll(cursor: number): ClusterEvent[] {
    const range = { start: [cursor + 1], limit: eventsPerRead };
    return this.#entries.readable(range).map(({ key: [sequence], value }) => this.#cloudEvent(sequence, value));
  }

  #readJob(cursor: number, jobId: string): ClusterEvent[] {
    const entries = this.#ofJobs.readable({ start: [jobId, cursor + 1], end: [jobId, last], limit: eventsPerRead });
    return entries.flatMap(({ value: key }) => {
      const event = this.#entries.find(key);
      return event ? [this.#cloudEvent(key[0], event)] : [];
    });
  }

  #cloudEvent(sequence: number, { name, subject, at, data }: LoggedEvent): ClusterEvent {
    return {
      specversion: '1.0',
      id: `${this.clusterId}-${sequence}`,
      source: this.source,
      type: `metatrain.v1.${name}`,
      subject,
      time: new Date(at).toISOString(),
      datacontenttype: 'application/json',
      sequence: sequenceText(sequence),
      data,
    } as ClusterEvent;
  }

  /**
   * The sequence before the first event at `time` or later. Approximate if the clock was set back.
   */
  #before(time: number): number {
    const oldestOf = (kind: Kind) => this.#kept[kind].oldest?.sequence ?? this.#newest;
    let low = Math.min(oldestOf(other), oldestOf(summary));
    let high = this.#newest + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const [next] = this.#entries.readable({ start: [middle], limit: 1 });
      if (!next || next.value.at >= time) high = middle;
      else low = next.key[0] + 1;
    }
    return low - 1;
  }

  /** The position of a reader that must miss nothing; 0 for a new reader. */
  progressOf(reader: string): number {
    const sequence = this.#notes.find(`progress/${reader}`);
    return typeof sequence === 'number' ? sequence : 0;
  }

  async noteProgress(reader: string, sequence: number): Promise<void> {
    await this.#ordered.run(writeBytes, () => this.#notes.put(`progress/${reader}`, sequence));
  }
}

/** The newest events on the disk, in order and without gaps. */
class RecentEvents {
  #events: ClusterEvent[] = [];
  #newest = 0;

  add(sequence: number, event: ClusterEvent): void {
    // A failed write leaves a gap, and an event out of order could be missed. Then readers use the
    // log on disk for a while.
    if (sequence !== this.#newest + 1) this.#events = [];
    if (sequence > this.#newest) this.#events.push(event);
    this.#newest = Math.max(this.#newest, sequence);
    if (this.#events.length > eventsPerRead) this.#events.shift();
  }

  drop(sequence: number): void {
    if (sequence >= this.#oldest) this.#events = this.#events.filter((event) => sequenceOf(event) !== sequence);
  }

  get #oldest(): number {
    const [oldest] = this.#events;
    return oldest ? sequenceOf(oldest) : Number.POSITIVE_INFINITY;
  }

  /** Undefined when there may be older events than these after `cursor`. */
  after(cursor: number, jobId?: string): readonly ClusterEvent[] | undefined {
    if (cursor + 1 < this.#oldest) return undefined;
    const first = this.#events.findLastIndex((event) => sequenceOf(event) <= cursor) + 1;
    const events = this.#events.slice(first);
    return jobId === undefined ? events : events.filter((event) => event.subject === jobId && isOfJob(nameOf(event)));
  }
}

const isOfJob = (name: EventName): boolean => name.startsWith('job.');

const kindOf = (name: EventName): Kind => (name === 'job.meta_steps_applied' ? summary : other);
