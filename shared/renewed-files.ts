// Files whose content changes while the process runs, such as certificates and tokens: read again
// when they have changed, and the newest good content is kept where the new one is bad. Follows
// links: Kubernetes replaces the files of a Secret by moving a link.
import { statSync } from 'node:fs';
import { asMetatrainError, type MetatrainError } from './errors.ts';

export class RenewedFiles<Value> {
  readonly #files: readonly string[];
  readonly #read: () => Value;
  readonly #onBad: (error: MetatrainError) => void;
  #value: Value;
  /** Of the files when they were last read, whether or not that succeeded. */
  #seen: string;

  /**
   * @param read reads and checks all of the files.
   * @param onBad called once for each bad content; the content before it stays.
   * @throws what `read` throws now.
   */
  constructor(files: readonly string[], read: () => Value, onBad: (error: MetatrainError) => void = () => {}) {
    this.#files = files;
    this.#read = read;
    this.#onBad = onBad;
    // Before reading, so that a change in between is seen the next time.
    this.#seen = looksOf(files);
    this.#value = read();
  }

  /** The newest good content, without a look at the files. */
  get value(): Value {
    return this.#value;
  }

  /**
   * Reads the files if they have changed.
   *
   * @returns whether there is a new value.
   */
  look(): boolean {
    return looksOf(this.#files) !== this.#seen && this.reload();
  }

  /** Reads the files in any case. @returns whether that succeeded. */
  reload(): boolean {
    this.#seen = looksOf(this.#files);
    try {
      this.#value = this.#read();
      return true;
    } catch (thrown) {
      this.#onBad(asMetatrainError(thrown));
      return false;
    }
  }
}

/** Differs when one of the files was written or replaced. */
const looksOf = (files: readonly string[]): string => files.map(looksOfFile).join('\n');

function looksOfFile(file: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(file);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return 'not there';
  }
}
