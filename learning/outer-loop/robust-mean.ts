// Sums that a few wrong shards cannot carry away: of each coordinate the median of the shards' means,
// or their mean without the extremes (Yin, Chen, Ramchandran & Bartlett 2018, definitions 1 and 2,
// with shards for machines). Every shard's mean counts alike, so all of them are kept until the last
// one has come in; of what arrives first and last it is independent.
import type { AggregationSpec } from '../../shared/job-spec/meta.ts';
import type { AddOptions, ShardSums } from './meta-gradient.ts';

type Robust = Exclude<AggregationSpec, { name: 'mean' }>;

interface Shard {
  readonly sum: Float32Array;
  readonly counted: number;
  readonly release: (() => void) | undefined;
}

export class RobustMean implements ShardSums {
  readonly #mean: Float64Array;
  readonly #shards: (Shard | undefined)[];
  readonly #spec: Robust;

  /** @param mean what is in it does not matter; it is this object's own until the mean has been used. */
  constructor(mean: Float64Array, shards: number, spec: Robust) {
    this.#mean = mean;
    this.#shards = new Array<Shard | undefined>(shards);
    this.#spec = spec;
  }

  add(shard: number, sum: Float32Array, { counted = 1, release }: AddOptions = {}): void {
    if (shard >= this.#shards.length || this.#shards[shard]) {
      throw new Error(`shard ${shard} cannot be added: it is there already or out of range`);
    }
    this.#shards[shard] = { sum, counted, release };
  }

  mean(): { readonly mean: Float64Array; readonly norm: number } {
    const shards = Array.from(this.#shards, (shard, i) => {
      if (!shard) throw new Error(`shard ${i} is not there yet`);
      return shard;
    });
    // A shard without a finite task has no mean.
    const counted = shards.filter(({ counted }) => counted > 0);
    const left = trimmedOf(this.#spec, counted.length);
    const column = new Float64Array(counted.length);
    const mean = this.#mean;
    let squares = 0;
    for (let i = 0; i < mean.length; i += 1) {
      for (let s = 0; s < column.length; s += 1) column[s] = counted[s]!.sum[i]! / counted[s]!.counted;
      sortFew(column);
      let sum = 0;
      for (let s = left; s < column.length - left; s += 1) sum += column[s]!;
      const value = sum / (column.length - 2 * left);
      mean[i] = value;
      squares += value * value;
    }
    for (const { release } of shards) release?.();
    return { mean, norm: Math.sqrt(squares) };
  }
}

/** Shards left out at each end: of the median all but one or two. */
export const trimmedOf = (spec: Robust, shards: number): number =>
  spec.name === 'median' ? Math.ceil(shards / 2) - 1 : Math.floor(spec.trim * shards);

/** Few numbers are faster by insertion than by a call for each coordinate. */
function sortFew(values: Float64Array): void {
  if (values.length > 32) {
    values.sort();
    return;
  }
  for (let i = 1; i < values.length; i += 1) {
    const value = values[i]!;
    let j = i;
    for (; j > 0 && values[j - 1]! > value; j -= 1) values[j] = values[j - 1]!;
    values[j] = value;
  }
}
