// Checks that the paths of open files still lead to them. Writing to a directory that was deleted
// or replaced raises no error, and everything written there is lost when the process ends.
import { type Stats, statSync } from 'node:fs';
import { basename } from 'node:path';
import { MetatrainError } from '../../shared/errors.ts';

type Identity = Pick<Stats, 'dev' | 'ino'>;

export class Presence {
  readonly #directory: string;
  readonly #opened: ReadonlyMap<string, Identity>;

  /** @param opened the file of each path when it was opened. */
  constructor(directory: string, opened: ReadonlyMap<string, Identity>) {
    this.#directory = directory;
    this.#opened = opened;
  }

  /**
   * The error `STORAGE_UNAVAILABLE` with the missing path; undefined while every path is unchanged.
   */
  missing(): MetatrainError | undefined {
    for (const [path, { dev, ino }] of this.#opened) {
      const found = statSync(path, { throwIfNoEntry: false });
      if (found?.dev === dev && found.ino === ino) continue;
      return this.#lost(path, found ? 'has been replaced' : 'is gone');
    }
    return undefined;
  }

  #lost(path: string, what: string): MetatrainError {
    const directory = this.#directory;
    const file = path === directory ? 'it' : basename(path);
    const message =
      `the state directory ${directory} is not the one that this coordinator has open: ${file} ${what}. ` +
      'Nothing is written until it is put back; with another directory, start the coordinator again';
    return new MetatrainError('STORAGE_UNAVAILABLE', message, { details: { directory, neededBytes: 0 } });
  }
}
