// What the coordinator needs before it listens beyond loopback: TLS and tokens, or a flag that
// waives them. Also reads the TLS files.
import { checkPem, readPem } from '../../shared/connection.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import { isLoopback } from '../../shared/loopback.ts';

export interface SecurityOptions {
  /** PEM files. */
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    /**
     * Every client must show a certificate of one of these authorities. Undefined: clients need
     * none.
     */
    readonly clientCa?: string;
  };
  readonly tokensFile?: string;
  /** Allows listening beyond loopback without TLS or without tokens. */
  readonly isInsecure?: boolean;
}

/**
 * @throws MetatrainError `REQUEST_INVALID` when `host` is not loopback and something is missing.
 */
export function refuseExposure(host: string, { tls, tokensFile, isInsecure }: SecurityOptions, log: Logger): void {
  if (isLoopback(host) || (tls && tokensFile)) return;
  const missing = [...(tls ? [] : ['--tls-cert FILE --tls-key FILE']), ...(tokensFile ? [] : ['--tokens FILE'])];
  const given = [
    ...(tls ? [] : ['everything that is sent, tokens too, can be read and changed on the way']),
    ...(tokensFile
      ? []
      : ['anybody who can connect may submit and cancel jobs, read checkpoints and join as a worker']),
  ].join('; ');
  if (isInsecure) {
    log.warn({ host }, `--insecure: ${given}`);
    return;
  }
  throw new MetatrainError(
    'REQUEST_INVALID',
    `listening on ${host}, other machines can connect: ${given}. Give ${missing.join(' ')} ` +
      '(metatrain certs and metatrain token create make the files), or listen on 127.0.0.1, or accept it with --insecure',
  );
}

export interface ServerPems {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa?: Buffer;
}

/** @throws MetatrainError `REQUEST_INVALID` naming the flag and the file. */
export function readServerPems(tls: NonNullable<SecurityOptions['tls']>): ServerPems {
  const cert = readPem('--tls-cert', tls.cert);
  const key = readPem('--tls-key', tls.key);
  const clientCa = tls.clientCa === undefined ? undefined : readPem('--tls-client-ca', tls.clientCa);
  checkPem(clientCa ?? null, cert, key, [tls.cert, tls.key, tls.clientCa]);
  return { cert, key, ...(clientCa && { clientCa }) };
}
