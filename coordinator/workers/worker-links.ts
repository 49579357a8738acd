// The streams of the connected workers and what each has brought so far. Orders are given through `order`, which remembers whom to flush:
// what one event orders leaves in one write a worker. Knows nothing of what the orders mean.
import type { DataIdentity } from '../../shared/data-identity.ts';
import type { MetatrainError } from '../../shared/errors.ts';
import { PassingSet } from '../../shared/passing.ts';
import type { Worker } from '../core/state.ts';
import type { WorkerLink } from './worker-link.ts';

export interface LinkTally {
  readonly link: WorkerLink;
  /** Of this stream. */
  readonly shardsCompleted: number;
  readonly resultsRejected: number;
  /** With which this stream's results were made, the newest last. */
  readonly data: readonly DataIdentity[];
}

/** A connected worker as its operators see it. */
export interface WorkerView extends LinkTally {
  readonly worker: Worker;
  /** When its last message came, in milliseconds since the epoch. */
  readonly lastSeenAt: number;
  readonly idleReason: string;
}

interface OpenLink extends LinkTally {
  shardsCompleted: number;
  resultsRejected: number;
  data: readonly DataIdentity[];
}

/** Data sets that are remembered of a worker. */
const maxData = 8;

export class WorkerLinks implements Iterable<LinkTally> {
  readonly #open = new Map<number, OpenLink>();
  /** Links with orders that are not written out yet. */
  readonly #unflushed = new PassingSet<WorkerLink>();

  [Symbol.iterator](): Iterator<LinkTally> {
    return this.#open.values();
  }

  add(link: WorkerLink): void {
    this.#open.set(link.connection, { link, shardsCompleted: 0, resultsRejected: 0, data: [] });
  }

  /** @returns the link; undefined when it had gone before. */
  remove(connection: number): WorkerLink | undefined {
    const link = this.#open.get(connection)?.link;
    this.#open.delete(connection);
    return link;
  }

  /** To one worker, unless its stream has gone. */
  order(connection: number, give: (link: WorkerLink) => void): void {
    const link = this.#open.get(connection)?.link;
    if (!link) return;
    give(link);
    this.#unflushed.add(link);
  }

  /** To every worker. */
  orderAll(give: (link: WorkerLink) => void): void {
    for (const connection of this.#open.keys()) this.order(connection, give);
  }

  countResult(connection: number, isGood: boolean): void {
    const open = this.#open.get(connection);
    if (!open) return;
    if (isGood) open.shardsCompleted += 1;
    else open.resultsRejected += 1;
  }

  noteData(connection: number, data: readonly DataIdentity[]): void {
    const open = this.#open.get(connection);
    if (!open) return;
    const isKnown = (one: DataIdentity) => open.data.some(({ sha256 }) => sha256 === one.sha256);
    if (!data.every(isKnown)) open.data = [...open.data, ...data.filter((one) => !isKnown(one))].slice(-maxData);
  }

  flush(): void {
    for (const link of this.#unflushed) link.flush();
    this.#unflushed.clear();
  }

  closeAll(error: MetatrainError): void {
    for (const { link } of this.#open.values()) link.close(error);
    this.#open.clear();
  }
}
