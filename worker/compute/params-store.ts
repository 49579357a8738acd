// θ of the open jobs in shared memory: copied once from the wire, read by every thread. Keeps a few
// versions of each job, and reuses a version's buffer only when no unanswered shard reads it.
import { MetatrainError } from '../../shared/errors.ts';
import { PassingMap } from '../../shared/passing.ts';

/**
 * Versions of one job kept besides those in use, for shards of the newest step and of an evaluation
 * just before it.
 */
const keptVersions = 3;

/** A version that a shard reads until it is released. */
export interface HeldParams {
  readonly buffer: SharedArrayBuffer;
  release(): void;
}

interface Version {
  readonly buffer: SharedArrayBuffer;
  readers: number;
}

export class ParamsStore {
  readonly #jobs = new Map<string, PassingMap<number, Version>>();

  /**
   * Keeps a copy of `bytes` as the job's version. Later shards read this copy even if the version
   * was here before.
   *
   * @throws MetatrainError `OUT_OF_MEMORY`
   */
  put(jobId: string, version: number, bytes: Uint8Array): void {
    const versions = this.#jobs.get(jobId) ?? new PassingMap<number, Version>();
    this.#jobs.set(jobId, versions);
    const buffer = this.#makeRoom(versions, bytes.byteLength) ?? allocate(bytes.byteLength);
    new Uint8Array(buffer).set(bytes);
    versions.delete(version);
    versions.set(version, { buffer, readers: 0 });
  }

  /** @throws MetatrainError `META_STEP_STALE` when the version is not here. */
  hold(jobId: string, version: number): HeldParams {
    const found = this.#jobs.get(jobId)?.get(version);
    if (!found) {
      const kept = [...(this.#jobs.get(jobId)?.keys() ?? [])].join(', ') || 'none';
      throw new MetatrainError('META_STEP_STALE', `params_version: got ${version} of job ${jobId}; held: ${kept}`);
    }
    found.readers += 1;
    let isHeld = true;
    return {
      buffer: found.buffer,
      release: () => {
        if (isHeld) found.readers -= 1;
        isHeld = false;
      },
    };
  }

  forget(jobId: string): void {
    this.#jobs.delete(jobId);
  }

  forgetAll(): void {
    this.#jobs.clear();
  }

  /**
   * Drops the oldest versions that are not in use. Returns a buffer of theirs if its size fits the
   * next version.
   */
  #makeRoom(versions: PassingMap<number, Version>, bytes: number): SharedArrayBuffer | undefined {
    let reusable: SharedArrayBuffer | undefined;
    for (const [version, { buffer, readers }] of versions) {
      if (versions.size < keptVersions) break;
      if (readers > 0) continue;
      versions.delete(version);
      if (buffer.byteLength === bytes) reusable = buffer;
    }
    return reusable;
  }
}

function allocate(bytes: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes);
  } catch (cause) {
    throw new MetatrainError('OUT_OF_MEMORY', `there is no memory for parameters of ${bytes} bytes`, { cause });
  }
}
