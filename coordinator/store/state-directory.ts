// The coordinator's directory: `jobs.lmdb` (records and events), `checkpoints/<job>/` (files),
// `secret.key` (once a job has needed it) and `coordinator.lock`. One coordinator at a time uses
// it, it must be on a local file system, and only its owner can read it.
import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { DirectoryLock } from './directory-lock.ts';
import { DiskRoom } from './disk-room.ts';
import { refuseNetworkFileSystem } from './file-system.ts';
import { JobStore, type JobStoreOptions } from './job-store.ts';
import { Presence } from './presence.ts';
import { makePrivateDirectory } from './private-files.ts';
import { openSecretKey } from './secret-key.ts';

export class StateDirectory {
  readonly path: string;
  readonly jobs: JobStore;
  readonly checkpoints: CheckpointStore;
  readonly room: DiskRoom;
  readonly #lock: DirectoryLock;
  #secretKey: Buffer | undefined;

  private constructor(path: string, lock: DirectoryLock, jobs: JobStore, room: DiskRoom) {
    this.path = path;
    this.jobs = jobs;
    this.checkpoints = new CheckpointStore(join(path, 'checkpoints'), room);
    this.room = room;
    this.#lock = lock;
  }

  /**
   * Makes the directory if it is missing.
   *
   * @throws MetatrainError `REQUEST_INVALID` when it cannot be written to or is on a network file
   *   system, `NOT_READY` when another coordinator uses it, `DISK_FULL` when there is too little
   *   room.
   */
  static async open(
    path: string,
    options: Pick<JobStoreOptions, 'limits' | 'onCorrupt'> = {},
  ): Promise<StateDirectory> {
    const real = makeDirectory(path);
    refuseNetworkFileSystem(real);
    const lock = await takeLock(real);
    try {
      let presence: Presence | undefined;
      const room = new DiskRoom(real, undefined, () => presence?.missing());
      const jobs = await JobStore.open(join(real, 'jobs.lmdb'), { ...options, room });
      const database = join(real, 'jobs.lmdb');
      presence = new Presence(
        real,
        new Map([
          [real, statSync(real)],
          [lock.file, lock.stat()],
          [database, statSync(database)],
        ]),
      );
      return new StateDirectory(real, lock, jobs, room);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /**
   * The coordinator's secret, made at the first call.
   *
   * @throws MetatrainError `DATA_CORRUPT`, `DISK_FULL` or `INTERNAL`
   */
  secretKey(): Buffer {
    this.#secretKey ??= openSecretKey(this.path);
    return this.#secretKey;
  }

  async close(): Promise<void> {
    await this.jobs.close();
    this.#lock.release();
  }
}

/** @returns its path with links resolved. */
function makeDirectory(path: string): string {
  try {
    makePrivateDirectory(join(path, 'checkpoints'));
    return realpathSync(path);
  } catch (cause) {
    throw unusable(path, cause);
  }
}

async function takeLock(path: string): Promise<DirectoryLock> {
  try {
    return await DirectoryLock.take(path);
  } catch (thrown) {
    throw thrown instanceof MetatrainError ? thrown : unusable(path, thrown);
  }
}

function unusable(path: string, cause: unknown): MetatrainError {
  const message = `state directory ${path}: ${asMetatrainError(cause).message}; give one that can be written to (--state-dir)`;
  return new MetatrainError('REQUEST_INVALID', message, { cause });
}
