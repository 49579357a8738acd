// What waits to be written on the stream: heartbeats and the like overtake results, and a full socket is waited for, so that a heartbeat
// is never behind more than one chunk. What is ready together travels as one message while it is small. Order within each lane is kept.
import type { WorkerMessage } from '../shared/gen/metatrain/v1/WorkerMessage.ts';
import { maxBatchBytes } from '../shared/wire.ts';

/** The part of a gRPC stream that is needed. */
export interface WritableMessages {
  /** False when the next message should wait for `drain`. */
  write(message: WorkerMessage): boolean;
  once(event: 'drain', listener: () => void): unknown;
  end(): void;
}

/** Messages of one outcome, made one at a time so that at most one chunk's copy is in memory. */
export type MessageSource = Iterable<WorkerMessage>;

/** What a message counts for besides what it carries. */
const smallMessageBytes = 256;

/** About as long as it is encoded: numbers are doubles, a character takes up to 3 bytes. */
function bytesOf({ payloadChunk, shardResult, shardFailure }: WorkerMessage): number {
  if (payloadChunk) return payloadChunk.data?.length ?? 0;
  const { train, evaluate } = shardResult ?? {};
  const rows = [...(train?.measures ?? []), ...(evaluate?.measures ?? [])];
  const numbers = rows.reduce((sum, { values }) => sum + (values?.length ?? 0), train?.nonFiniteTasks?.length ?? 0);
  return smallMessageBytes + 8 * numbers + 3 * (shardFailure?.message?.length ?? 0);
}

export class Outbox {
  readonly #stream: WritableMessages;
  readonly #urgent: WorkerMessage[] = [];
  readonly #bulk: Iterator<WorkerMessage>[] = [];
  /** The next in bulk, which did not fit into the message before it. */
  #tooLarge: WorkerMessage | undefined;
  #isBlocked = false;
  #isEnding = false;
  #isClosed = false;

  constructor(stream: WritableMessages) {
    this.#stream = stream;
  }

  /** Before every outcome that waits. */
  sendUrgent(message: WorkerMessage): void {
    this.#urgent.push(message);
    this.#flush();
  }

  /** After every outcome that waits. */
  send(messages: MessageSource): void {
    this.#bulk.push(messages[Symbol.iterator]());
    this.#flush();
  }

  /** Ends our half of the stream when everything has been written. */
  end(): void {
    this.#isEnding = true;
    this.#flush();
  }

  /** Forgets what waits: the stream is gone. */
  close(): void {
    this.#isClosed = true;
    this.#urgent.length = 0;
    this.#bulk.length = 0;
    this.#tooLarge = undefined;
  }

  #flush(): void {
    while (!this.#isBlocked && !this.#isClosed) {
      const message = this.#nextBatch();
      if (!message) {
        if (!this.#isEnding) return;
        this.#isClosed = true;
        this.#stream.end();
        return;
      }
      if (this.#stream.write(message)) continue;
      this.#isBlocked = true;
      this.#stream.once('drain', () => {
        this.#isBlocked = false;
        this.#flush();
      });
    }
  }

  /** The next messages as one: whatever is urgent, then as much as fits, one message at least. */
  #nextBatch(): WorkerMessage | undefined {
    const messages = this.#urgent.splice(0);
    let bytes = messages.length * smallMessageBytes;
    for (let message = this.#nextInBulk(); message; message = this.#nextInBulk()) {
      bytes += bytesOf(message);
      if (messages.length > 0 && bytes > maxBatchBytes) {
        this.#tooLarge = message;
        break;
      }
      messages.push(message);
    }
    return messages.length > 1 ? { batch: { messages } } : messages[0];
  }

  #nextInBulk(): WorkerMessage | undefined {
    const kept = this.#tooLarge;
    this.#tooLarge = undefined;
    if (kept) return kept;
    while (this.#bulk.length > 0) {
      const next = this.#bulk[0]?.next();
      if (next && !next.done) return next.value;
      this.#bulk.shift();
    }
    return undefined;
  }
}
