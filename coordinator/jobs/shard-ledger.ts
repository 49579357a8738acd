// The hashes of a job's newest training shards: what `metatrain replay` compares with. Collected in memory as results count, written now and
// then in one go, so that a meta-step never waits for it; a crash loses the last of them, and applying again writes them again.
import { PassingMap } from '../../shared/passing.ts';
import type { JobStore } from '../store/job-store.ts';

const hashBytes = 32;
/** Kept per job. */
const maxBytes = 4 * 2 ** 20;

export class ShardLedger {
  readonly #jobId: string;
  readonly #store: JobStore;
  /** Meta-steps that are not applied yet. */
  readonly #open = new PassingMap<number, Buffer>();
  #unwritten = new Map<number, Buffer>();

  constructor(jobId: string, store: JobStore) {
    this.#jobId = jobId;
    this.#store = store;
  }

  add(metaStep: number, shard: number, shards: number, payloadSha256: Uint8Array): void {
    const hashes = this.#open.get(metaStep) ?? Buffer.alloc(shards * hashBytes);
    this.#open.set(metaStep, hashes);
    hashes.set(payloadSha256, shard * hashBytes);
  }

  /** The meta-step is applied. */
  endStep(metaStep: number): void {
    const hashes = this.#open.get(metaStep);
    if (!hashes) return;
    this.#open.delete(metaStep);
    this.#unwritten.set(metaStep, hashes);
  }

  /** Resolves when what was collected is on the disk. @throws what the store throws, such as `DISK_FULL`: it is kept for the next time. */
  async write(): Promise<void> {
    const steps = this.#unwritten;
    if (steps.size === 0) return;
    this.#unwritten = new Map();
    const newest = Math.max(...steps.keys());
    const bytesPerStep = steps.get(newest)?.byteLength ?? hashBytes;
    const oldest = Math.max(0, newest - Math.floor(maxBytes / bytesPerStep));
    try {
      await this.#store.putShardHashes(this.#jobId, steps, oldest);
    } catch (error) {
      // With the next ones, where there is room then.
      const kept = [...steps].filter(([metaStep]) => metaStep >= oldest);
      this.#unwritten = new Map([...kept, ...this.#unwritten]);
      throw error;
    }
  }
}
