// Cells for frequent counts, one number each: a meta-step of a small model takes less than a
// millisecond, and two dozen calls of prom-client would take 2 % of it. The caller holds the cell
// itself, so no labels are looked up. prom-client reads the sums at each scrape.
import type { MetricValueWithName } from 'prom-client';

export type LabelValues = Readonly<Record<string, string>>;

/** A label and its possible values. */
export type Dimension = readonly [label: string, values: readonly string[]];

/**
 * A cell for every combination of the dimensions' values, nested in their order:
 * `ended.train.failed`. Without dimensions, the cell itself.
 */
export type CellTree<Dimensions extends readonly Dimension[], Cell> = Dimensions extends readonly [
  readonly [string, readonly (infer Value extends string)[]],
  ...infer Deeper extends readonly Dimension[],
]
  ? { readonly [Key in Value]: CellTree<Deeper, Cell> }
  : Cell;

export interface Cells<Dimensions extends readonly Dimension[], Cell> {
  readonly tree: CellTree<Dimensions, Cell>;
  /** All cells in order. */
  readonly all: readonly (readonly [labels: LabelValues, cell: Cell])[];
}

/** The series of one metric, all of which exist from the start. */
export function cellsOf<Dimensions extends readonly Dimension[], Cell>(
  dimensions: Dimensions,
  create: () => Cell,
): Cells<Dimensions, Cell> {
  const all: (readonly [LabelValues, Cell])[] = [];
  const grow = (labels: LabelValues, [dimension, ...deeper]: readonly Dimension[]): unknown => {
    if (!dimension) {
      const cell = create();
      all.push([labels, cell]);
      return cell;
    }
    const [label, values] = dimension;
    return Object.fromEntries(values.map((value) => [value, grow({ ...labels, [label]: value }, deeper)]));
  };
  return { tree: grow({}, dimensions) as CellTree<Dimensions, Cell>, all };
}

/** A value that only grows. */
export class Count {
  readonly #name: string;
  #value = 0;

  constructor(name: string) {
    this.#name = name;
  }

  get value(): number {
    return this.#value;
  }

  /** @param amount at least 0. */
  add(amount = 1): void {
    const isGrowth = amount >= 0 && amount < Number.POSITIVE_INFINITY;
    if (!isGrowth) throw new RangeError(`${this.#name} cannot grow by ${amount}`);
    this.#value += amount;
  }
}

/** Observations in buckets, as in a Prometheus histogram. */
export class Buckets {
  readonly #upperBounds: readonly number[];
  /** One more than the bounds: the last counts observations above all bounds. */
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param upperBounds ascending; a bucket includes its bound. */
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

  /** In Prometheus' format: a `_bucket` counts all observations up to its `le`. */
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
