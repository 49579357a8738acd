// The tokens that this coordinator accepts, from its tokens file. The file is read again when it
// has changed, or on request. When the file cannot be read or parsed, the earlier tokens stay and
// the log says why. Holds hashes only, never a secret.
import { timingSafeEqual } from 'node:crypto';
import { statSync } from 'node:fs';
import type { Clock } from '../../shared/clock.ts';
import { asMetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import { readNamedFile } from '../../shared/named-file.ts';
import { hashOfSecret, parseTokens, type TokenEntry } from '../../shared/tokens.ts';

const lookEveryMs = 2_000;

export class TokenBook {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stopLooking: () => void;
  #entries: readonly TokenEntry[];
  /** Size, time and identity of the file when it was last read, whether or not that succeeded. */
  #seen: string;

  private constructor(file: string, entries: readonly TokenEntry[], seen: string, clock: Clock, log: Logger) {
    this.#file = file;
    this.#entries = entries;
    this.#seen = seen;
    this.#clock = clock;
    this.#log = log;
    this.#stopLooking = clock.every(lookEveryMs, () => {
      if (looksOf(file) !== this.#seen) this.reload();
    });
  }

  /** @throws MetatrainError `REQUEST_INVALID` when the file cannot be read or parsed. */
  static open(file: string, { clock, log }: { readonly clock: Clock; readonly log: Logger }): TokenBook {
    const seen = looksOf(file);
    const entries = read(file);
    if (entries.length === 0) log.warn({ file }, 'the tokens file is empty: every call is refused');
    return new TokenBook(file, entries, seen, clock, log);
  }

  /** Reads the file again. A bad file is logged and changes nothing. */
  reload(): void {
    // Before reading, so that a change in between is seen the next time.
    this.#seen = looksOf(this.#file);
    try {
      this.#entries = read(this.#file);
      this.#log.info({ file: this.#file, tokens: this.#entries.length }, 'tokens read again');
    } catch (thrown) {
      const { message } = asMetatrainError(thrown);
      this.#log.error({ file: this.#file, reason: message }, 'the tokens file is bad; the tokens before it stay');
    }
  }

  /**
   * The entry of a secret, expired or not.
   *
   * Compares every entry, so the time does not reveal which entry matched.
   */
  find(secret: string): TokenEntry | undefined {
    const presented = Buffer.from(hashOfSecret(secret));
    let found: TokenEntry | undefined;
    for (const entry of this.#entries) if (timingSafeEqual(presented, Buffer.from(entry.sha256))) found = entry;
    return found;
  }

  hasExpired({ expiresAt }: TokenEntry): boolean {
    return expiresAt !== undefined && this.#clock.now() >= expiresAt;
  }

  /** Whether the entry still exists with equal roles and has not expired. */
  stillHolds(earlier: TokenEntry): boolean {
    const entry = this.#entries.find(({ sha256 }) => sha256 === earlier.sha256);
    return (
      entry !== undefined &&
      entry.name === earlier.name &&
      earlier.roles.every((role) => entry.roles.includes(role)) &&
      !this.hasExpired(entry)
    );
  }

  close(): void {
    this.#stopLooking();
  }
}

const read = (file: string): TokenEntry[] => parseTokens(readNamedFile('--tokens', file).toString('utf8'), file);

/** Differs when the file was written or replaced. */
function looksOf(file: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(file);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return 'not there';
  }
}
