// Logs the calls and requests that were refused: at most one line a second, since clients without a
// token must not be able to fill the disk.
import type { Clock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';

const reportEveryMs = 1_000;

export class Refusals {
  readonly #clock: Clock;
  readonly #log: Logger;
  #sinceLastReport = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** @param peer the caller's address. */
  report(path: string, peer: string, thrown: unknown): void {
    this.#sinceLastReport += 1;
    const now = this.#clock.elapsedMs();
    if (now - this.#reportedAt < reportEveryMs) return;
    const reason = thrown instanceof MetatrainError ? thrown.message : 'our own mistake';
    this.#log.warn({ path, peer, reason, sinceLastReport: this.#sinceLastReport }, 'a call was refused');
    this.#sinceLastReport = 0;
    this.#reportedAt = now;
  }
}
