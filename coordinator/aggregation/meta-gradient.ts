// Adds the shards' meta-gradients in shard order, whatever order they arrive in, in float64: the canonical reduction that makes a
// meta-step's bytes independent of the cluster. Early shards wait; each is added once, and added as soon as its turn comes.

export class MetaGradientSum {
  readonly #sum: Float64Array;
  readonly #waiting: (Float32Array | undefined)[];
  #next = 0;

  /** @param sum what is in it does not matter; it is the sum's own from here on, until the mean has been used. */
  constructor(sum: Float64Array, shards: number) {
    this.#sum = sum.fill(0);
    this.#waiting = new Array<Float32Array | undefined>(shards);
  }

  get isComplete(): boolean {
    return this.#next === this.#waiting.length;
  }

  /**
   * @param shardSum kept until its turn, and then the sum's own: scaled in place where the weight is not 1.
   */
  add(shard: number, shardSum: Float32Array, weight = 1): void {
    if (shard < this.#next || shard >= this.#waiting.length || this.#waiting[shard]) {
      throw new Error(`shard ${shard} cannot be added: it is in the sum or out of range`);
    }
    if (weight !== 1) for (let i = 0; i < shardSum.length; i += 1) shardSum[i] = shardSum[i]! * weight;
    this.#waiting[shard] = shardSum;
    for (let ready = this.#waiting[this.#next]; ready; ready = this.#waiting[this.#next]) {
      addInto(this.#sum, ready);
      this.#waiting[this.#next] = undefined;
      this.#next += 1;
    }
  }

  /** The sum over every shard, divided by `tasks`; the caller owns it. */
  mean(tasks: number): Float64Array {
    if (!this.isComplete) throw new Error(`shard ${this.#next} is not in the sum yet`);
    const sum = this.#sum;
    for (let i = 0; i < sum.length; i += 1) sum[i] = sum[i]! / tasks;
    return sum;
  }
}

function addInto(sum: Float64Array, part: Float32Array): void {
  for (let i = 0; i < sum.length; i += 1) sum[i] = sum[i]! + part[i]!;
}

/** Σv². Of float32 values and their means it cannot overflow a float64: finite if and only if every element is, and told in one pass without a branch. */
export function squaredNorm(vector: Float32Array | Float64Array): number {
  let squares = 0;
  for (let i = 0; i < vector.length; i += 1) squares += vector[i]! * vector[i]!;
  return squares;
}

export const isFiniteVector = (vector: Float32Array): boolean => Number.isFinite(squaredNorm(vector));

/** √Σg². */
export const globalNorm = (gradient: Float64Array): number => Math.sqrt(squaredNorm(gradient));

/**
 * g ← g · clipNorm / ‖g‖ when ‖g‖ > clipNorm (Pascanu et al. 2013, algorithm 1), in place.
 *
 * @param norm ‖g‖, as globalNorm gives it.
 */
export function clipByGlobalNorm(gradient: Float64Array, norm: number, clipNorm: number): void {
  if (norm <= clipNorm) return;
  const factor = clipNorm / norm;
  for (let i = 0; i < gradient.length; i += 1) gradient[i] = gradient[i]! * factor;
}
