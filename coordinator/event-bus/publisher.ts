// Publishes the event log to NATS: every event, in order, at least once. The log is the outbox, and
// the sequence of the last published event is stored beside it. NATS may be away for as long as the
// log keeps events, and nothing waits for it. One event at a time is under way, so that none
// overtakes another.
import type { Clock } from '../../shared/clock.ts';
import { type ClusterEvent, sequenceOf } from '../../shared/cluster-event.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import { randomFraction } from '../../shared/rng.ts';
import type { EventLog } from '../store/event-log.ts';
import type { BusConnection } from './connection.ts';

interface PublisherDependencies {
  readonly events: EventLog;
  readonly connect: () => Promise<BusConnection>;
  readonly clock: Clock;
  readonly log: Logger;
}

const reader = 'nats';
const firstRetryMs = 100;
const longestRetryMs = 30_000;
/**
 * The position is stored at most this often. After a crash, the stream's last event tells the
 * position, or the stream recognizes repeated events by their ids.
 */
const noteEveryMs = 10_000;

export class EventPublisher {
  readonly #events: EventLog;
  readonly #connect: () => Promise<BusConnection>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #over = new AbortController();
  #run: Promise<void> | undefined;
  #sequence: number;
  #retryMs = firstRetryMs;
  #cancelNote: (() => void) | undefined;
  #isConnected = false;
  #isDraining = false;
  #published = 0;
  #failures = 0;
  #dropped = 0;
  #reportedDropped = 0;

  constructor({ events, connect, clock, log }: PublisherDependencies) {
    this.#events = events;
    this.#connect = connect;
    this.#clock = clock;
    this.#log = log;
    this.#sequence = events.progressOf(reader);
  }

  /** Whether there is a connection and the stream exists. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Events that the stream has acknowledged since this start. */
  get published(): number {
    return this.#published;
  }

  /** Events that wait to be published. */
  get pending(): number {
    return this.#events.countAfter(this.#sequence);
  }

  /** Connections that failed or were lost since this start. */
  get failures(): number {
    return this.#failures;
  }

  /** Events that the log dropped before they were published, since this start. */
  get dropped(): number {
    return this.#dropped + this.#missing(this.#events.newest + 1 - this.pending);
  }

  /**
   * Counts the events between the last published and `next` that the log no longer has. 0 before
   * anything was ever published.
   */
  #missing(next: number): number {
    return this.#sequence === 0 ? 0 : Math.max(0, next - this.#sequence - 1);
  }

  start(): void {
    this.#run ??= this.#publishForEver();
  }

  async #publishForEver(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      try {
        const connection = await this.#connectUnlessOver();
        if (!connection) return;
        await this.#publishOver(connection);
      } catch (thrown) {
        if (signal.aborted) return;
        this.#failures += 1;
        const { message: reason } = asMetatrainError(thrown);
        this.#log.warn({ reason, retryMs: this.#retryMs, pending: this.pending }, 'events do not reach NATS');
        this.#reportDropped();
      }
      if (signal.aborted || this.#isDraining) return;
      await this.#pause(this.#retryMs * (0.5 + randomFraction() / 2));
      this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
    }
  }

  /** Undefined when asked to end first. */
  async #connectUnlessOver(): Promise<BusConnection | undefined> {
    const { signal } = this.#over;
    const connecting = this.#connect();
    let end = () => {};
    const over = new Promise<undefined>((resolve) => {
      end = () => resolve(undefined);
    });
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    const connection = await Promise.race([connecting, over]).finally(() => signal.removeEventListener('abort', end));
    if (!connection) connecting.then((late) => late.close()).catch(() => undefined);
    return connection;
  }

  /**
   * Ends on request.
   *
   * @throws MetatrainError when the connection is lost or the stream refuses.
   */
  async #publishOver(connection: BusConnection): Promise<void> {
    const lost = new AbortController();
    void connection.closed.then((reason) => lost.abort(reason));
    const close = () => void connection.close();
    this.#over.signal.addEventListener('abort', close);
    if (this.#over.signal.aborted) close();
    try {
      // The stream may be ahead of the stored position.
      this.#advance(Math.max(this.#sequence, await connection.lastPublished(this.#events.source)));
      this.#isConnected = true;
      this.#log.info({ server: connection.server, pending: this.pending }, 'events go to NATS');
      for await (const event of this.#events.follow({ after: this.#sequence, signal: lost.signal, isOwn: true })) {
        await this.#publish(connection, event);
        if (this.#isDraining && this.pending === 0) return;
      }
      throw new MetatrainError('NOT_READY', String(lost.signal.reason));
    } finally {
      this.#isConnected = false;
      this.#over.signal.removeEventListener('abort', close);
      await connection.close();
    }
  }

  async #publish(connection: BusConnection, event: ClusterEvent): Promise<void> {
    const isTaken = await connection.publish(event);
    const sequence = sequenceOf(event);
    this.#dropped += this.#missing(sequence);
    this.#advance(sequence);
    if (isTaken) {
      this.#published += 1;
      this.#retryMs = firstRetryMs;
      return;
    }
    this.#dropped += 1;
    this.#log.error({ event: event.id, type: event.type }, 'an event is larger than what the NATS server takes');
  }

  #advance(sequence: number): void {
    if (sequence === this.#sequence) return;
    this.#sequence = sequence;
    this.#cancelNote ??= this.#clock.after(noteEveryMs, () => void this.#note());
  }

  async #note(): Promise<void> {
    this.#cancelNote?.();
    this.#cancelNote = undefined;
    await this.#events
      .noteProgress(reader, this.#sequence)
      .catch((err: unknown) => this.#log.error({ err }, 'how far NATS has got the events could not be stored'));
  }

  #reportDropped(): void {
    const { dropped } = this;
    if (dropped <= this.#reportedDropped) return;
    this.#reportedDropped = dropped;
    this.#log.error({ dropped }, 'the outbox for NATS is full: the oldest summaries of meta-steps are lost to it');
  }

  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#over;
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#clock.after(delayMs, done);
      signal.addEventListener('abort', done);
      if (signal.aborted) done();
    });
  }

  /**
   * Publishes waiting events for at most `graceMs`, and only over an open connection. The others
   * wait for the next start. May be called twice.
   */
  async close(graceMs: number): Promise<void> {
    this.#isDraining = true;
    if (!this.#isConnected || this.pending === 0) this.#over.abort();
    const cancel = this.#clock.after(graceMs, () => this.#over.abort());
    await this.#run;
    cancel();
    await this.#note();
  }
}
