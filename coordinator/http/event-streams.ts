// Server-sent events: what happens in the cluster, and what happens to one job. Each stream holds a
// cursor into the log and a bell that rings when there is more to read. Nothing is queued for a
// reader.
import type { Clock } from '../../shared/clock.ts';
import { sequenceOf } from '../../shared/cluster-event.ts';
import type { MetatrainError } from '../../shared/errors.ts';
import type { StreamedEvents } from '../../shared/http-api.ts';
import type { Waiting } from '../../shared/waiting.ts';
import type { JobBook } from '../jobs/job-book.ts';
import type { Runner } from '../runner/runner.ts';
import type { EventLog } from '../store/event-log.ts';
import { jobEventJson, workerList } from './json.ts';

/**
 * Past events at the beginning of a stream that names no sequence. They contain no summaries of
 * meta-steps.
 */
const latestEvents = 200;

const workersEveryMs = 1_000;
const maxWorkersInStream = 200;
const maxWaitingInStream = 500;

type EventKind = keyof StreamedEvents<never>;

const sse = (kind: EventKind, data: string, id?: number): string =>
  `event: ${kind}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`;

export const stillHere = ':\n\n';

export const endOfStream = (error: MetatrainError | undefined): string =>
  sse('end', JSON.stringify(error ? { error: { code: error.code, message: error.message } } : {}));

/** Wakes the waiting reader. A ring while no reader waits is kept. */
class Bell {
  #hasRung = false;
  #wake: (() => void) | undefined;

  readonly ring = (): void => {
    this.#hasRung = true;
    this.#wake?.();
  };

  async rung(): Promise<void> {
    if (!this.#hasRung) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#hasRung = false;
    this.#wake = undefined;
  }
}

/** The workers as text, made at most once a second for all streams together. */
export class WorkerSnapshots {
  readonly #runner: Runner;
  readonly #clock: Clock;
  #madeAt = Number.NEGATIVE_INFINITY;
  #workers = '';
  #text = '';

  constructor(runner: Runner, clock: Clock) {
    this.#runner = runner;
    this.#clock = clock;
  }

  /** The text stays equal while nothing but heartbeats arrives. */
  text(): string {
    const now = this.#clock.elapsedMs();
    if (now - this.#madeAt < workersEveryMs / 2) return this.#text;
    this.#madeAt = now;
    const list = workerList(this.#runner.workers(), this.#clock.now(), maxWorkersInStream);
    const workers = JSON.stringify([list.total, list.workers.map(({ lastHeartbeatAt: _, ...rest }) => rest)]);
    if (workers !== this.#workers) this.#text = sse('workers', JSON.stringify(list));
    this.#workers = workers;
    return this.#text;
  }
}

/** Why jobs wait, read at most twice a second for all streams together. */
export class WaitSnapshots {
  readonly #runner: Runner;
  readonly #clock: Clock;
  #madeAt = Number.NEGATIVE_INFINITY;
  #jobs: ReadonlyMap<string, Waiting> = new Map();

  constructor(runner: Runner, clock: Clock) {
    this.#runner = runner;
    this.#clock = clock;
  }

  /** @param jobId undefined: every job, at most `maxWaitingInStream`. */
  text(jobId?: string): string {
    const now = this.#clock.elapsedMs();
    if (now - this.#madeAt >= workersEveryMs / 2) {
      this.#madeAt = now;
      this.#jobs = this.#runner.waitingJobs();
    }
    const shown = [...this.#jobs].filter(([id]) => jobId === undefined || id === jobId).slice(0, maxWaitingInStream);
    return sse('waiting', JSON.stringify(Object.fromEntries(shown)));
  }
}

/** A reader assumes this until the first message: the HTTP answers already tell why a job waits. */
const nothingWaits = sse('waiting', '{}');

interface ClusterSources {
  readonly events: EventLog;
  readonly workers: WorkerSnapshots;
  readonly waits: WaitSnapshots;
  readonly clock: Clock;
}

/**
 * @param after undefined: begin with the newest few.
 *
 * @throws MetatrainError `QUEUE_FULL`
 */
export async function* clusterStream(
  { events, workers, waits, clock }: ClusterSources,
  after: number | undefined,
  over: AbortSignal,
): AsyncGenerator<string, void> {
  const bell = new Bell();
  const stopWatching = events.watch(bell.ring);
  const stopTicking = clock.every(workersEveryMs, bell.ring);
  over.addEventListener('abort', bell.ring);
  try {
    let sent = workers.text();
    let sentWaits = nothingWaits;
    yield sent;
    let page = after === undefined ? events.latest(latestEvents) : events.read(after);
    let isLive = false;
    while (!over.aborted) {
      for (const event of page.events) {
        yield sse('happened', JSON.stringify(event), sequenceOf(event));
        if (over.aborted) return;
      }
      if (page.events.length === 0 || (after === undefined && !isLive)) {
        if (!isLive) yield sse('caught-up', '{}');
        isLive = true;
        await bell.rung();
        const text = workers.text();
        if (text !== sent) yield text;
        sent = text;
        const waitsText = waits.text();
        if (waitsText !== sentWaits) yield waitsText;
        sentWaits = waitsText;
      }
      page = events.read(page.cursor);
    }
  } finally {
    stopWatching();
    stopTicking();
    over.removeEventListener('abort', bell.ring);
  }
}

interface JobSources {
  readonly book: JobBook;
  readonly waits: WaitSnapshots;
  readonly clock: Clock;
}

/**
 * Ends when the job has ended.
 *
 * @throws MetatrainError `JOB_UNKNOWN`, `QUEUE_FULL`
 */
export async function* jobStream(
  { book, waits, clock }: JobSources,
  jobId: string,
  after: number,
  over: AbortSignal,
): AsyncGenerator<string, void> {
  book.record(jobId);
  const bell = new Bell();
  const stopWatching = book.watch(jobId, bell.ring);
  const stopTicking = clock.every(workersEveryMs, bell.ring);
  over.addEventListener('abort', bell.ring);
  try {
    let cursor = after;
    let isLive = false;
    let sentWaits = nothingWaits;
    while (!over.aborted) {
      const { events, isOver } = book.eventsAfter(jobId, cursor);
      for (const event of events) {
        cursor = event.sequence;
        yield sse('happened', JSON.stringify(jobEventJson(event)), cursor);
        if (over.aborted) return;
      }
      if (events.length > 0) continue;
      if (!isLive) yield sse('caught-up', '{}');
      isLive = true;
      if (isOver) return;
      const waitsText = waits.text(jobId);
      if (waitsText !== sentWaits) yield waitsText;
      sentWaits = waitsText;
      await bell.rung();
    }
  } finally {
    stopWatching();
    stopTicking();
    over.removeEventListener('abort', bell.ring);
  }
}
