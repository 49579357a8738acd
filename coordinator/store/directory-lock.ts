// Lets one coordinator at a time use a state directory. The lock is the operating system's own, on
// a file inside the directory: it is taken in one step, has no limit on the path's length, and ends
// with the process, even after a crash. The file is never removed.
import { closeSync, fstatSync, openSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { MetatrainError } from '../../shared/errors.ts';
import { loadFileLocks } from './native.ts';

const fileName = 'coordinator.lock';

export class DirectoryLock {
  readonly file: string;
  #descriptor: number | undefined;

  private constructor(file: string, descriptor: number) {
    this.file = file;
    this.#descriptor = descriptor;
  }

  /**
   * @throws MetatrainError `NOT_READY` when another coordinator holds the directory, and the
   *   system's error when the file cannot be opened.
   */
  static async take(directory: string): Promise<DirectoryLock> {
    const { tryLock } = await loadFileLocks();
    const file = join(directory, fileName);
    const descriptor = openSync(file, 'a+', 0o600);
    try {
      if (!tryLock(descriptor)) throw inUse(directory);
      return new DirectoryLock(file, descriptor);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  /** Describes the locked file, even if another file is at its path by now. */
  stat(): Stats {
    if (this.#descriptor === undefined) throw new Error('the lock has been given up');
    return fstatSync(this.#descriptor);
  }

  /** May be called twice. */
  release(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

function inUse(path: string): MetatrainError {
  const message = `state directory ${path} is in use by another coordinator; stop it, or give this one another directory (--state-dir)`;
  return new MetatrainError('NOT_READY', message, { details: { path } });
}
