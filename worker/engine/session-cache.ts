// The sessions of one compute thread, by the hash of what they compute: programs with equal graphs
// share one, and it is released when the last of them is. Counts memory: before it creates a
// session that would exceed the limit, it asks the owner to close others; if that is not enough,
// the session is refused with the figures.
import { createHash } from 'node:crypto';
import { MetatrainError } from '../../shared/errors.ts';
import type { DeviceKind } from './devices.ts';
import type { Session } from './onnx/session.ts';

export interface SessionCacheOptions {
  /** The predicted memory that all sessions together may take. Default: no limit. */
  readonly memoryLimitBytes?: number;
}

export interface SessionRequest {
  /** For the error message. */
  readonly program: string;
  /** Equal for sessions that compute the same, such as the model's bytes. */
  readonly identity: Uint8Array;
  readonly open: () => Promise<Session>;
  readonly device: DeviceKind;
  /** Predicted for one run. */
  readonly peakBytes: number;
  /**
   * What the open session takes in addition: the model, its kernels' code, ONNX Runtime's own
   * memory.
   */
  readonly openBytes: number;
  readonly tasksPerRun: number;
  /**
   * Closes something that can be opened again. @returns false when there is nothing left to close.
   * Default: nothing.
   */
  readonly makeRoom?: (() => Promise<boolean>) | undefined;
}

export interface HeldSession {
  readonly session: Session;
  /** It was created for another program. */
  readonly isShared: boolean;
  /** May be called twice. */
  release(): Promise<void>;
}

interface Entry {
  readonly session: Promise<Session>;
  readonly peakBytes: number;
  readonly openBytes: number;
  holders: number;
}

export class SessionCache {
  readonly #memoryLimitBytes: number;
  readonly #entries = new Map<string, Entry>();
  #created = 0;
  #shared = 0;

  constructor({ memoryLimitBytes = Number.POSITIVE_INFINITY }: SessionCacheOptions = {}) {
    this.#memoryLimitBytes = memoryLimitBytes;
  }

  get counts(): { readonly created: number; readonly shared: number; readonly open: number } {
    return { created: this.#created, shared: this.#shared, open: this.#entries.size };
  }

  /**
   * Predicted for all open sessions and their runs, since ONNX Runtime keeps a session's memory for
   * its next run.
   */
  get heldBytes(): number {
    let held = 0;
    for (const { peakBytes, openBytes } of this.#entries.values()) held += peakBytes + openBytes;
    return held;
  }

  get #peakBytes(): number {
    let held = 0;
    for (const { peakBytes } of this.#entries.values()) held += peakBytes;
    return held;
  }

  /**
   * @throws MetatrainError `OUT_OF_MEMORY` when the session would go beyond the limit, `INTERNAL`
   * when the model is refused.
   */
  async acquire(request: SessionRequest): Promise<HeldSession> {
    const key = `${request.device} ${createHash('sha256').update(request.identity).digest('hex')}`;
    if (!this.#entries.has(key)) await this.#makeRoom(request);
    let entry = this.#entries.get(key);
    const isShared = entry !== undefined;
    if (entry === undefined) {
      const { open, peakBytes, openBytes } = request;
      entry = { session: open(), peakBytes, openBytes, holders: 0 };
      this.#entries.set(key, entry);
    }
    const held = entry;
    held.holders += 1;
    let isHeld = true;
    const release = async () => {
      if (!isHeld) return;
      isHeld = false;
      held.holders -= 1;
      if (held.holders > 0) return;
      this.#entries.delete(key);
      await (await held.session).release();
    };
    let session: Session;
    try {
      session = await held.session;
    } catch (error) {
      isHeld = false;
      this.#entries.delete(key);
      throw error;
    }
    if (isShared) this.#shared += 1;
    else this.#created += 1;
    return { session, isShared, release };
  }

  async #makeRoom(request: SessionRequest): Promise<void> {
    // the limit is about this machine's memory; a GPU's memory is not known here
    if (request.device !== 'cpu') return;
    const { peakBytes, openBytes, makeRoom } = request;
    while (peakBytes + openBytes + this.heldBytes > this.#memoryLimitBytes && (await makeRoom?.()));
    // No other session can be closed. The limit leaves room for what sessions take in addition to
    // their runs, so only the runs decide.
    if (peakBytes + this.#peakBytes > this.#memoryLimitBytes) throw this.#refusal(request);
  }

  #refusal({ program, peakBytes, tasksPerRun }: SessionRequest): MetatrainError {
    const limit = this.#memoryLimitBytes;
    const held = this.#peakBytes;
    const others = held > 0 ? `, beside ${mebibytes(held)} for the programs that are open` : '';
    return new MetatrainError(
      'OUT_OF_MEMORY',
      `program "${program}" needs about ${mebibytes(peakBytes)} for a run of ${tasksPerRun} task${tasksPerRun === 1 ? '' : 's'}${others}; a compute thread here has ${mebibytes(limit)}. Less is needed with fewer tasks a shard (placement.shardSize), fewer inner steps, algorithm.rematerialize: true or algorithm.order: first; a worker has more for each thread with fewer --slots or a larger --memory`,
      { details: { program, predictedBytes: peakBytes, heldBytes: held, limitBytes: limit, tasksPerRun } },
    );
  }
}

export function mebibytes(bytes: number): string {
  const mebi = bytes / 2 ** 20;
  return `${mebi >= 10 ? Math.round(mebi) : mebi.toPrecision(2)} MiB`;
}
