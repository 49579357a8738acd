// SHA-256 piece by piece, for what is too large or too scattered for one call.
import { createHash } from 'node:crypto';

export interface Sha256 {
  update(piece: string | Uint8Array | Uint8ClampedArray): Sha256;
  /** Lower-case hexadecimal. The hash takes no further piece. */
  hex(): string;
}

export function startSha256(): Sha256 {
  const hash = createHash('sha256');
  const started: Sha256 = {
    update(piece) {
      hash.update(piece);
      return started;
    },
    hex: () => hash.digest('hex'),
  };
  return started;
}
