// The hashes of a job's newest training shards: what `metatrain replay` compares with. Collected in memory as results count, written now and
// then in one go, so that a meta-step never waits for it; a crash loses the last of them, and applying again writes them again.
import type { JobStore } from './store/job-store.ts';

const hashBytes = 32;
/** Kept per job. */
const maxBytes = 4 * 2 ** 20;

export class ShardLedger {
  readonly #jobId: string;
  readonly #store: JobStore;
  #current: Buffer | undefined;
  #unwritten = new Map<number, Buffer>();

  constructor(jobId: string, store: JobStore) {
    this.#jobId = jobId;
    this.#store = store;
  }

  add(metaStep: number, shard: number, shards: number, payloadSha256: Uint8Array): void {
    this.#current ??= Buffer.alloc(shards * hashBytes);
    this.#current.set(payloadSha256, shard * hashBytes);
    this.#unwritten.set(metaStep, this.#current);
  }

  /** The meta-step is applied: the next shard is of the next. */
  endStep(): void {
    this.#current = undefined;
  }

  /** Resolves when what was collected is on the disk. */
  async write(): Promise<void> {
    const steps = this.#unwritten;
    if (steps.size === 0) return;
    this.#unwritten = new Map();
    const newest = Math.max(...steps.keys());
    const bytesPerStep = steps.get(newest)?.byteLength ?? hashBytes;
    await this.#store.putShardHashes(this.#jobId, steps, Math.max(0, newest - Math.floor(maxBytes / bytesPerStep)));
  }
}
