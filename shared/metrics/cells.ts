// What is counted often is counted here, a number at a time: a shard of a small model takes half a millisecond, and a dozen of prom-client's own
// calls would take 2 % of it. prom-client reads the sums when somebody scrapes.
import type { MetricValueWithName } from 'prom-client';

export type LabelValues = Readonly<Record<string, string>>;

/** One metric's series: every combination of its labels' values has a cell of its own from the start. */
export class Cells<Cell> implements Iterable<readonly [labels: LabelValues, cell: Cell]> {
  readonly #names: readonly string[];
  readonly #cells = new Map<string, readonly [labels: LabelValues, cell: Cell]>();

  constructor(sets: Readonly<Record<string, readonly string[]>>, create: () => Cell) {
    this.#names = Object.keys(sets);
    for (const labels of combinations(sets)) this.#cells.set(this.#key(labels), [labels, create()]);
  }

  /** @throws Error for labels that the metric was not declared with. */
  at(labels: LabelValues): Cell {
    const found = this.#cells.get(this.#key(labels));
    if (!found) throw new Error(`no series has the labels ${JSON.stringify(labels)}`);
    return found[1];
  }

  [Symbol.iterator](): IterableIterator<readonly [labels: LabelValues, cell: Cell]> {
    return this.#cells.values();
  }

  #key(labels: LabelValues): string {
    const names = this.#names;
    if (names.length === 1) return labels[names[0]!] ?? '';
    let key = '';
    for (const name of names) key += `${labels[name]}\n`;
    return key;
  }
}

/** Observations in buckets, as one of Prometheus' histograms. */
export class Buckets {
  readonly #upperBounds: readonly number[];
  /** One more than there are bounds: the last is for what lies above them all. */
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param upperBounds ascending; each belongs to its bucket. */
  constructor(upperBounds: readonly number[]) {
    this.#upperBounds = upperBounds;
    this.#counts = new Float64Array(upperBounds.length + 1);
  }

  observe(value: number): void {
    if (!Number.isFinite(value)) throw new TypeError(`not a finite number: ${value}`);
    const bounds = this.#upperBounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1;
    this.#counts[bucket]! += 1;
    this.#sum += value;
  }

  /** Prometheus' lines: `_bucket` counts are of all observations up to `le`. */
  lines(name: string, labels: LabelValues): MetricValueWithName<string>[] {
    let count = 0;
    const buckets = [...this.#upperBounds, '+Inf'].map((le, i) => {
      count += this.#counts[i]!;
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

function combinations(sets: Readonly<Record<string, readonly string[]>>): LabelValues[] {
  let found: LabelValues[] = [{}];
  for (const [name, values] of Object.entries(sets)) {
    found = found.flatMap((labels) => values.map((value) => ({ ...labels, [name]: value })));
  }
  return found;
}
