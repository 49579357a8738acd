// When certificates expire.
import { X509Certificate } from 'node:crypto';

/**
 * @returns milliseconds since 1970, for the first certificate in the file that expires; undefined
 *   if there is none.
 */
export function firstExpiry(pem: Buffer): number | undefined {
  const blocks = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
  return blocks ? Math.min(...blocks.map((block) => Date.parse(new X509Certificate(block).validTo))) : undefined;
}
