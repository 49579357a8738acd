// The tokens that this coordinator accepts, from its tokens file. The file is read again when it
// has changed, or on request. When the file cannot be read or parsed, the earlier tokens stay and
// the log says why. Holds hashes only, never a secret.
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../shared/clock.ts';
import type { Logger } from '../../shared/log.ts';
import { readNamedFile } from '../../shared/named-file.ts';
import { RenewedFiles } from '../../shared/renewed-files.ts';
import { hashOfSecret, parseTokens, type TokenEntry } from '../../shared/tokens.ts';

const lookEveryMs = 2_000;

export class TokenBook {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stopLooking: () => void;
  readonly #tokens: RenewedFiles<readonly TokenEntry[]>;

  private constructor(file: string, tokens: RenewedFiles<readonly TokenEntry[]>, clock: Clock, log: Logger) {
    this.#file = file;
    this.#tokens = tokens;
    this.#clock = clock;
    this.#log = log;
    this.#stopLooking = clock.every(lookEveryMs, () => {
      if (tokens.look()) this.#tell();
    });
  }

  /** @throws MetatrainError `REQUEST_INVALID` when the file cannot be read or parsed. */
  static open(file: string, { clock, log }: { readonly clock: Clock; readonly log: Logger }): TokenBook {
    const tokens = new RenewedFiles(
      [file],
      () => read(file),
      ({ message }) => log.error({ file, reason: message }, 'the tokens file is bad; the tokens before it stay'),
    );
    if (tokens.value.length === 0) log.warn({ file }, 'the tokens file is empty: every call is refused');
    return new TokenBook(file, tokens, clock, log);
  }

  /** Reads the file again. A bad file is logged and changes nothing. */
  reload(): void {
    if (this.#tokens.reload()) this.#tell();
  }

  #tell(): void {
    this.#log.info({ file: this.#file, tokens: this.#entries.length }, 'tokens read again');
  }

  get #entries(): readonly TokenEntry[] {
    return this.#tokens.value;
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
