// Adds the shards' meta-gradients in shard order, whatever order they arrive in, in float64: the canonical reduction that makes a
// meta-step's bytes independent of the cluster. Early shards wait; each is added once, and added as soon as its turn comes.

interface WaitingShard {
  readonly sum: Float32Array;
  readonly release: () => void;
}

export interface AddOptions {
  /** What the shard's contribution is multiplied with: less than 1 where it is stale. Default: 1. */
  readonly weight?: number;
  /** What the shard's sum counts for, usually its tasks: a sum whose shards count alike needs it. */
  readonly counted?: number;
  /** Called when the shard's sum is not needed any more. */
  readonly release?: (() => void) | undefined;
}

/** Takes the shards of a meta-batch in any order, each once, and makes their mean. */
export interface ShardSums {
  add(shard: number, shardSum: Float32Array, options?: AddOptions): void;
  /** @param weight of all shards together. */
  mean(weight: number): { readonly mean: Float64Array; readonly norm: number };
}

const nothing = () => undefined;

export class MetaGradientSum implements ShardSums {
  readonly #sum: Float64Array;
  readonly #waiting: (WaitingShard | undefined)[];
  #next = 0;

  /** @param sum what is in it does not matter; it is the sum's own from here on, until the mean has been used. */
  constructor(sum: Float64Array, shards: number) {
    this.#sum = sum.fill(0);
    this.#waiting = new Array<WaitingShard | undefined>(shards);
  }

  get isComplete(): boolean {
    return this.#next === this.#waiting.length;
  }

  /**
   * @param shardSum kept until its turn, and until `release` is called the sum's own: scaled in place where the weight is not 1.
   */
  add(shard: number, shardSum: Float32Array, { weight = 1, release = nothing }: AddOptions = {}): void {
    if (shard < this.#next || shard >= this.#waiting.length || this.#waiting[shard]) {
      throw new Error(`shard ${shard} cannot be added: it is in the sum or out of range`);
    }
    if (weight !== 1) for (let i = 0; i < shardSum.length; i += 1) shardSum[i] = shardSum[i]! * weight;
    this.#waiting[shard] = { sum: shardSum, release };
    for (let ready = this.#waiting[this.#next]; ready; ready = this.#waiting[this.#next]) {
      addInto(this.#sum, ready.sum);
      this.#waiting[this.#next] = undefined;
      this.#next += 1;
      ready.release();
    }
  }

  /** The sum over every shard, divided by the shards' weights together, and its √Σg². The caller owns it. */
  mean(weight: number): { readonly mean: Float64Array; readonly norm: number } {
    if (!this.isComplete) throw new Error(`shard ${this.#next} is not in the sum yet`);
    const mean = this.#sum;
    let squares = 0;
    for (let i = 0; i < mean.length; i += 1) {
      const value = mean[i]! / weight;
      mean[i] = value;
      squares += value * value;
    }
    return { mean, norm: Math.sqrt(squares) };
  }
}

/** Four at a time, which costs half as much; every element is still added on its own. */
function addInto(sum: Float64Array, part: Float32Array): void {
  const whole = sum.length - (sum.length % 4);
  for (let i = 0; i < whole; i += 4) {
    sum[i] = sum[i]! + part[i]!;
    sum[i + 1] = sum[i + 1]! + part[i + 1]!;
    sum[i + 2] = sum[i + 2]! + part[i + 2]!;
    sum[i + 3] = sum[i + 3]! + part[i + 3]!;
  }
  for (let i = whole; i < sum.length; i += 1) sum[i] = sum[i]! + part[i]!;
}

/**
 * Σv². Of float32 values it cannot overflow a float64: finite if and only if every element is, and told in one pass without a branch. Four sums at
 * once, since one alone would wait for each of its additions.
 */
export function squaredNorm(vector: Float32Array | Float64Array): number {
  const whole = vector.length - (vector.length % 4);
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0; i < whole; i += 4) {
    const v = vector[i]!;
    const w = vector[i + 1]!;
    const x = vector[i + 2]!;
    const y = vector[i + 3]!;
    a += v * v;
    b += w * w;
    c += x * x;
    d += y * y;
  }
  for (let i = whole; i < vector.length; i += 1) a += vector[i]! * vector[i]!;
  return a + b + (c + d);
}

export const isFiniteVector = (vector: Float32Array): boolean => Number.isFinite(squaredNorm(vector));
