// When the certificates that the coordinator serves with expire, for a metric and for a warning in
// the log whenever they are read.
import { firstExpiry } from '../../shared/certificate-expiry.ts';
import type { Logger } from '../../shared/log.ts';
import type { ServerPems } from './exposure.ts';

export interface CertificateExpiry {
  readonly certificate: 'server' | 'clientCa';
  /** Milliseconds since 1970. Of several certificates in one file: the first that expires. */
  readonly at: number;
}

const warnBeforeMs = 30 * 86_400_000;

/** Empty for a coordinator without TLS. The files have been checked. */
export function certificateExpiries(pems: ServerPems | undefined): CertificateExpiry[] {
  const files = [
    ['server', pems?.cert],
    ['clientCa', pems?.clientCa],
  ] as const;
  return files.flatMap(([certificate, pem]) => {
    const at = pem && firstExpiry(pem);
    return at === undefined ? [] : [{ certificate, at }];
  });
}

/** @param now milliseconds since 1970. */
export function warnOfExpiry(expiries: readonly CertificateExpiry[], now: number, log: Logger): void {
  for (const { certificate, at } of expiries) {
    if (at - now > warnBeforeMs) continue;
    const expires = new Date(at).toISOString();
    log.warn(
      { certificate, expires },
      'a certificate expires within 30 days: renew its file; the coordinator reads it by itself',
    );
  }
}
