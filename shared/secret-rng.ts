// Streams of random numbers that only the holder of a key can repeat: AES-256 in counter mode, under a key
// that HMAC-SHA-256 makes from the holder's, the stream's purpose and its number. For noise that must be
// the same after a restart and that nobody else may know. Training itself takes `taskRng`.
import { createCipheriv, createHmac } from 'node:crypto';

export interface SecretRng {
  /** Uniform in [0, 1), 53 random bits. */
  uniform(): number;
  /** Standard normal (Box and Muller). */
  normal(): number;
}

/** @param key at least 32 bytes. */
export function secretRng(key: Uint8Array, purpose: string, index: number): SecretRng {
  if (key.byteLength < 32) throw new Error(`a key of ${key.byteLength} bytes is too short`);
  const cipher = createCipheriv('aes-256-ctr', derivedKey(key, `${purpose}/${index}`), Buffer.alloc(16));
  const zeros = Buffer.alloc(8_192);
  let words = new Uint32Array(0);
  let next = 0;
  let spare: number | undefined;
  const uniform = () => {
    if (next === words.length) {
      const bytes = cipher.update(zeros);
      words = new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
      next = 0;
    }
    const [high, low] = [words[next]! >>> 5, words[next + 1]! >>> 6];
    next += 2;
    return (high * 2 ** 26 + low) / 2 ** 53;
  };
  return {
    uniform,
    normal() {
      if (spare !== undefined) {
        const value = spare;
        spare = undefined;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
  };
}

/** A key for one purpose, from which the key that it was made of cannot be told. */
export const derivedKey = (key: Uint8Array, purpose: string): Buffer =>
  createHmac('sha256', key).update(purpose).digest();

/**
 * Each of the numbers 0 … population − 1 with this probability, independently of the others;
 * ascending. Takes a draw for each that is in, by the gaps between them (Devroye 1986, section
 * X.2).
 */
export function poissonSample(rng: Pick<SecretRng, 'uniform'>, population: number, rate: number): number[] {
  if (rate >= 1) return Array.from({ length: population }, (_, i) => i);
  const sample: number[] = [];
  const logOther = Math.log1p(-rate);
  for (let i = -1; ; ) {
    i += 1 + Math.floor(Math.log(1 - rng.uniform()) / logOther);
    if (!(i < population)) return sample;
    sample.push(i);
  }
}
