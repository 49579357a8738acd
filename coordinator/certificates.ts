// When the certificates that the coordinator serves with expire: for a metric, and for a word in the log at its start. They are read once, so
// these are the ones that count until a restart.
import { X509Certificate } from 'node:crypto';
import type { Logger } from '../shared/log.ts';
import type { ServerPems } from './rpc/exposure.ts';

export interface CertificateExpiry {
  readonly certificate: 'server' | 'clientCa';
  /** Milliseconds since 1970: of several in a file, of the first that expires. */
  readonly at: number;
}

const warnBeforeMs = 30 * 86_400_000;

/** Nothing for a coordinator without TLS. The files have been checked. */
export function certificateExpiries(pems: ServerPems | undefined): CertificateExpiry[] {
  if (!pems) return [];
  const { cert, clientCa } = pems;
  return [
    { certificate: 'server', at: firstExpiry(cert) },
    ...(clientCa ? [{ certificate: 'clientCa', at: firstExpiry(clientCa) } as const] : []),
  ];
}

function firstExpiry(pem: Buffer): number {
  const blocks = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return Math.min(...blocks.map((block) => Date.parse(new X509Certificate(block).validTo)));
}

/** @param now milliseconds since 1970. */
export function warnOfExpiry(expiries: readonly CertificateExpiry[], now: number, log: Logger): void {
  for (const { certificate, at } of expiries) {
    if (at - now > warnBeforeMs) continue;
    const expires = new Date(at).toISOString();
    log.warn(
      { certificate, expires },
      'a certificate expires within 30 days: renew its file and restart the coordinator',
    );
  }
}
