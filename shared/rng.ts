// Two kinds of randomness. `taskRng`: reproducible streams named by (seed, purpose, index), the
// only randomness of training. `randomId`, `randomSecret` and `randomFraction`: the operating
// system's, for unique names, tokens and jitter. No other code may call Math.random. Invariant: a
// stream's numbers never change between versions, since they are part of every result.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';

export interface Rng {
  /** Uniform in [0, 1), 32 random bits. */
  uniform(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Uniform whole number in [0, bound), 1 ≤ bound ≤ 2³²; unbiased. */
  below(bound: number): number;
  /** Standard normal (Box and Muller). */
  normal(): number;
  /**
   * `count` different whole numbers below `bound`, in random order; count ≤ bound. Sparse
   * Fisher–Yates.
   */
  sample(count: number, bound: number): number[];
}

/**
 * The stream of task number `index` for a `purpose` (a split's name, `initialize`, …) under a job's
 * seed.
 */
export function taskRng(seed: number, purpose: string, index: number): Rng {
  const words = [seed >>> 0, purposeKey(purpose), index >>> 0, Math.floor(index / 2 ** 32)];
  return xoshiro128((lane) => words.reduce(mix, lane));
}

/** A unique name of `bytes` random bytes in lower-case hexadecimal. */
export function randomId(bytes = 8): string {
  return randomBytes(bytes).toString('hex');
}

/** 32 random bytes as 43 characters of base64url: cannot be guessed. */
export function randomSecret(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * An unpredictable fraction in [0, 1), for jitter, so that peers do not reconnect all at once.
 * Never for training.
 */
export function randomFraction(): number {
  return randomBytes(4).readUInt32LE(0) / 2 ** 32;
}

const purposeKeys = new Map<string, number>();

function purposeKey(purpose: string): number {
  let key = purposeKeys.get(purpose);
  if (key === undefined) {
    key = createHash('sha256').update(purpose).digest().readUInt32LE(0);
    purposeKeys.set(purpose, key);
  }
  return key;
}

/** Mixes two 32-bit words to one: MurmurHash3's finalizer over their combination (Appleby). */
function mix(a: number, b: number): number {
  let h = (a ^ Math.imul(b, 0x9e3779b1) ^ ((b << 16) | (b >>> 16))) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** xoshiro128** 1.1 (Blackman & Vigna 2018); `lane` gives the four words of its state. */
function xoshiro128(lane: (constant: number) => number): Rng {
  // The first 128 bits of π's fraction: four different starts for the four words.
  let s0 = lane(0x243f6a88);
  let s1 = lane(0x85a308d3);
  let s2 = lane(0x13198a2e);
  let s3 = lane(0x03707344);

  const next = () => {
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = (s3 << 11) | (s3 >>> 21);
    return result;
  };
  const uniform = () => next() / 2 ** 32;
  const below = (bound: number) => {
    assert(Number.isInteger(bound) && bound >= 1 && bound <= 2 ** 32, `no whole number below ${bound} in 32 bits`);
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const value = next();
      if (value < limit) return value % bound;
    }
  };
  return {
    uniform,
    below,
    between: (low, high) => low + (high - low) * uniform(),
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    sample(count, bound) {
      const moved = new Map<number, number>();
      return Array.from({ length: count }, (_, i) => {
        const j = i + below(bound - i);
        const chosen = moved.get(j) ?? j;
        moved.set(j, moved.get(i) ?? i);
        return chosen;
      });
    },
  };
}
