// Declares the metrics of one process. Labels come from closed sets, and every series of a set
// exists from the start, at zero, so that a rate is right from the first event on. Metrics with
// open labels (a job, a worker) are read at each scrape, so that a series ends with its job or
// worker.
import { Counter, Gauge, type Histogram, Registry } from 'prom-client';
import { Buckets, type CellTree, Count, cellsOf, type Dimension } from './cells.ts';

/** One line of a metric with open labels. */
export interface Series<Name extends string> {
  readonly labels: Readonly<Record<Name, string>>;
  readonly value: number;
}

/** A metric's description for documentation and tests. */
export interface MetricFacts {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

export class Meter {
  readonly #registry = new Registry();
  readonly #facts: MetricFacts[] = [];

  get facts(): readonly MetricFacts[] {
    return this.#facts;
  }

  /** In Prometheus' text format. */
  expose(): Promise<string> {
    return this.#registry.metrics();
  }

  /** @returns one cell for every combination of labels. */
  counter<const Dimensions extends readonly Dimension[]>(
    name: string,
    help: string,
    ...dimensions: Dimensions
  ): CellTree<Dimensions, Count> {
    const { tree, all } = cellsOf(dimensions, () => new Count(name));
    function collect(this: Counter): void {
      this.reset();
      for (const [labels, { value }] of all) this.inc(labels, value);
    }
    new Counter({ ...this.#declare('counter', name, help, labelsOf(dimensions)), collect });
    return tree;
  }

  /** @returns one cell for every combination of labels. */
  histogram<const Dimensions extends readonly Dimension[]>(
    name: string,
    help: string,
    buckets: readonly number[],
    ...dimensions: Dimensions
  ): CellTree<Dimensions, Buckets> {
    const { tree, all } = cellsOf(dimensions, () => new Buckets(buckets));
    const { registers: _, ...declared } = this.#declare('histogram', name, help, labelsOf(dimensions));
    const described = { ...declared, type: 'histogram' };
    const lines = () => all.flatMap(([labels, cell]) => cell.lines(name, labels));
    const metric = { ...described, get: async () => ({ ...described, values: lines() }) };
    // A registry uses no other members of a metric.
    this.#registry.registerMetric(metric as unknown as Histogram);
    return tree;
  }

  /** The value is read at each scrape; undefined shows no series. */
  gauge(name: string, help: string, read: () => number | undefined): void {
    this.series('gauge', name, help, [], () => {
      const value = read();
      return value === undefined ? [] : [{ labels: {}, value }];
    });
  }

  /**
   * Series that are read at each scrape.
   *
   * @param read returns lines, of which the first `maxSeries` are shown. Lines of a counter must
   *   never fall while they exist.
   */
  series<const Name extends string>(
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    labelNames: readonly Name[],
    read: () => Iterable<Series<Name>>,
  ): void {
    const declared = this.#declare(type, name, help, labelNames);
    function collect(this: Gauge | Counter): void {
      this.reset();
      let shown = 0;
      for (const { labels, value } of read()) {
        if (shown === maxSeries) break;
        shown += 1;
        this.inc(labels, value);
      }
    }
    const Kind = type === 'gauge' ? Gauge : Counter;
    new Kind({ ...declared, collect });
  }

  #declare(type: MetricFacts['type'], name: string, help: string, labels: readonly string[]) {
    this.#facts.push({ name, type, help, labels });
    return { name, help, labelNames: [...labels], registers: [this.#registry] };
  }
}

const labelsOf = (dimensions: readonly Dimension[]): string[] => dimensions.map(([label]) => label);

/** Most series of one metric with open labels. */
export const maxSeries = 4_096;

/** Upper bounds in seconds, from half a millisecond to ten minutes. */
export const secondsBuckets: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
];
