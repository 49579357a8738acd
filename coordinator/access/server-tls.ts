// The TLS files that the coordinator serves with. They are read again when they change, or on
// request, and every server that uses them is told. Where the new files are bad, or do not belong
// together yet, the earlier ones stay and the log says why.
import type { Clock } from '../../shared/clock.ts';
import type { Logger } from '../../shared/log.ts';
import { RenewedFiles } from '../../shared/renewed-files.ts';
import { type CertificateExpiry, certificateExpiries, warnOfExpiry } from './certificates.ts';
import { readServerPems, type SecurityOptions, type ServerPems } from './exposure.ts';

const lookEveryMs = 2_000;

export class ServerTls {
  readonly #files: RenewedFiles<ServerPems>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #readers = new Set<(pems: ServerPems) => void>();
  readonly #stopLooking: () => void;

  private constructor(files: RenewedFiles<ServerPems>, clock: Clock, log: Logger) {
    this.#files = files;
    this.#clock = clock;
    this.#log = log;
    warnOfExpiry(this.expiries, clock.now(), log);
    this.#stopLooking = clock.every(lookEveryMs, () => {
      if (files.look()) this.#tell();
    });
  }

  /** Undefined without TLS. @throws MetatrainError `REQUEST_INVALID` naming the flag and the file. */
  static open(
    tls: SecurityOptions['tls'],
    { clock, log }: { readonly clock: Clock; readonly log: Logger },
  ): ServerTls | undefined {
    if (!tls) return undefined;
    const files = [tls.cert, tls.key, ...(tls.clientCa === undefined ? [] : [tls.clientCa])];
    const renewed = new RenewedFiles(
      files,
      () => readServerPems(tls),
      ({ message }) => log.error({ reason: message }, 'the TLS files are bad; those before them stay'),
    );
    return new ServerTls(renewed, clock, log);
  }

  get pems(): ServerPems {
    return this.#files.value;
  }

  get expiries(): CertificateExpiry[] {
    return certificateExpiries(this.pems);
  }

  /** Calls `onRenewed` with new files from now on. */
  attend(onRenewed: (pems: ServerPems) => void): void {
    this.#readers.add(onRenewed);
  }

  /** Reads the files again. Bad files are logged and change nothing. */
  reload(): void {
    if (this.#files.reload()) this.#tell();
  }

  close(): void {
    this.#stopLooking();
    this.#readers.clear();
  }

  #tell(): void {
    const { expiries } = this;
    const until = Object.fromEntries(expiries.map(({ certificate, at }) => [certificate, new Date(at).toISOString()]));
    this.#log.info({ until }, 'TLS files read again: new connections use them');
    warnOfExpiry(expiries, this.#clock.now(), this.#log);
    for (const tell of this.#readers) tell(this.pems);
  }
}
