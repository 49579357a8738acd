// What waits to be written on one stream. Urgent messages overtake everything; the lanes (one a job, one for all requests) take turns, message by message, so
// that a large payload of one job delays neither heartbeats nor another job's leases. What is ready together is packed into one message while it
// is small. Writes pause while a chunk's worth is in flight.
import { MetatrainError } from '../../shared/errors.ts';
import type { CoordinatorMessage } from '../../shared/gen/metatrain/v1/CoordinatorMessage.ts';
import { PassingMap } from '../../shared/passing.ts';
import { maxBatchBytes, maxChunkBytes } from '../../shared/wire.ts';

/** An encoded message is written as it is: one encoding serves every worker. */
export type OutgoingMessage = CoordinatorMessage | Buffer;

/** Messages that belong together and stay in order, such as a payload's chunks; read one at a time. */
export interface MessageSequence {
  readonly length: number;
  at(index: number): OutgoingMessage | undefined;
}

interface Item {
  readonly messages: MessageSequence;
  readonly leaseId: string | undefined;
  next: number;
}

/** @param done called when the message has been handed to the network. */
export type WriteMessage = (message: OutgoingMessage, done: () => void) => void;

/** Several messages as one that holds them in order. */
export type PackMessages = (messages: readonly OutgoingMessage[]) => OutgoingMessage;

/** What a message that is not encoded yet counts for. */
const smallMessageBytes = 256;

export class Outbox {
  readonly #write: WriteMessage;
  readonly #pack: PackMessages;
  readonly #maxItems: number;
  readonly #urgent: OutgoingMessage[] = [];
  readonly #lanes = new PassingMap<string, Item[]>();
  #items = 0;
  #inFlightBytes = 0;
  #isFlushing = false;

  constructor(write: WriteMessage, pack: PackMessages, maxItems: number) {
    this.#write = write;
    this.#pack = pack;
    this.#maxItems = maxItems;
  }

  /** @throws MetatrainError `QUEUE_FULL` when the other side does not read. */
  pushUrgent(message: OutgoingMessage): void {
    this.#count();
    this.#urgent.push(message);
  }

  /** @throws MetatrainError `QUEUE_FULL` when the other side does not read. */
  push(lane: string, messages: MessageSequence, leaseId?: string): void {
    this.#count();
    const item: Item = { messages, leaseId, next: 0 };
    const items = this.#lanes.get(lane);
    if (items) items.push(item);
    else this.#lanes.set(lane, [item]);
  }

  #count(): void {
    if (this.#items >= this.#maxItems) {
      throw new MetatrainError('QUEUE_FULL', `${this.#items} messages wait and are not read`);
    }
    this.#items += 1;
  }

  /**
   * The lease is not written where nothing of it has been; otherwise `cancellation` is, behind what is left of
   * it.
   *
   * @throws MetatrainError `QUEUE_FULL` when the other side does not read.
   */
  cancelLease(leaseId: string, cancellation: OutgoingMessage): void {
    for (const [lane, items] of this.#lanes) {
      const index = items.findIndex((item) => item.leaseId === leaseId);
      if (index < 0) continue;
      if (items[index]!.next > 0) {
        this.push(lane, [cancellation]);
        return;
      }
      items.splice(index, 1);
      this.#items -= 1;
      if (items.length === 0) this.#lanes.delete(lane);
      return;
    }
    this.pushUrgent(cancellation);
  }

  /** Drops what of the lane has not begun; a sequence that has begun is finished, since the other side has its first part. */
  dropLane(lane: string): void {
    const items = this.#lanes.get(lane);
    if (!items) return;
    const kept = items.filter(({ next }) => next > 0);
    this.#items -= items.length - kept.length;
    if (kept.length > 0) this.#lanes.set(lane, kept);
    else this.#lanes.delete(lane);
  }

  clear(): void {
    this.#urgent.length = 0;
    this.#lanes.clear();
    this.#items = 0;
  }

  /** Writes what the flow allows; the rest follows by itself. */
  flush(): void {
    // A write may call back at once.
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    let batch: OutgoingMessage[] = [];
    let batchBytes = 0;
    const writeBatch = () => {
      if (batch.length > 0) this.#writeNow(batch.length === 1 ? batch[0]! : this.#pack(batch), batchBytes);
      batch = [];
      batchBytes = 0;
    };
    while (this.#inFlightBytes + batchBytes < maxChunkBytes) {
      const message = this.#next();
      if (!message) break;
      const bytes = Buffer.isBuffer(message) ? message.byteLength : smallMessageBytes;
      if (batchBytes + bytes > maxBatchBytes) writeBatch();
      batch.push(message);
      batchBytes += bytes;
    }
    writeBatch();
    this.#isFlushing = false;
  }

  #writeNow(message: OutgoingMessage, bytes: number): void {
    this.#inFlightBytes += bytes;
    this.#write(message, () => {
      this.#inFlightBytes -= bytes;
      if (this.#items > 0) this.flush();
    });
  }

  #next(): OutgoingMessage | undefined {
    const urgent = this.#urgent.shift();
    if (urgent) {
      this.#items -= 1;
      return urgent;
    }
    for (const [lane, items] of this.#lanes) {
      const item = items[0];
      if (!item) throw new Error('an empty lane is removed');
      const message = item.messages.at(item.next);
      item.next += 1;
      if (item.next === item.messages.length) {
        items.shift();
        this.#items -= 1;
      }
      // The lane goes behind the others.
      this.#lanes.delete(lane);
      if (items.length > 0) this.#lanes.set(lane, items);
      return message;
    }
    return undefined;
  }
}
