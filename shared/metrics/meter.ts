// Declares metrics for one process. Labels come from closed sets, and every series of a set exists from the start, at zero: a rate is then right
// from the first event on. What has labels without a fixed set (a job, a worker) is read when it is scraped, so that a series ends with its subject.
import { Counter, Gauge, type Histogram, Registry } from 'prom-client';
import { Buckets, Cells } from './cells.ts';

type LabelSets = Readonly<Record<string, readonly string[]>>;
type Labels<Sets extends LabelSets> = { readonly [Name in keyof Sets]: Sets[Name][number] };
type NoLabels = Readonly<Record<never, never>>;

export interface CounterOf<Sets extends LabelSets = NoLabels> {
  /** @param amount at least 0. */
  add(labels: Labels<Sets>, amount?: number): void;
}

export interface HistogramOf<Sets extends LabelSets = NoLabels> {
  observe(labels: Labels<Sets>, value: number): void;
}

/** One line of a metric whose labels have no fixed set. */
export interface Series<Name extends string> {
  readonly labels: Readonly<Record<Name, string>>;
  readonly value: number;
}

/** What a metric is, for the documentation and the tests. */
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

  counter<Sets extends LabelSets = NoLabels>(name: string, help: string, sets?: Sets): CounterOf<Sets> {
    const cells = new Cells(sets ?? {}, () => ({ value: 0 }));
    function collect(this: Counter): void {
      this.reset();
      for (const [labels, { value }] of cells) this.inc(labels, value);
    }
    new Counter({ ...this.#declare('counter', name, help, Object.keys(sets ?? {})), collect });
    return {
      add(labels, amount = 1) {
        const isGrowth = amount >= 0 && amount < Number.POSITIVE_INFINITY;
        if (!isGrowth) throw new RangeError(`${name} cannot grow by ${amount}`);
        cells.at(labels).value += amount;
      },
    };
  }

  histogram<Sets extends LabelSets = NoLabels>(
    name: string,
    help: string,
    buckets: readonly number[],
    sets?: Sets,
  ): HistogramOf<Sets> {
    const cells = new Cells(sets ?? {}, () => new Buckets(buckets));
    const { registers: _, ...declared } = this.#declare('histogram', name, help, Object.keys(sets ?? {}));
    const described = { ...declared, type: 'histogram' };
    const lines = () => [...cells].flatMap(([labels, cell]) => cell.lines(name, labels));
    const metric = { ...described, get: async () => ({ ...described, values: lines() }) };
    // A registry asks a metric for no more than this.
    this.#registry.registerMetric(metric as unknown as Histogram);
    return { observe: (labels, value) => cells.at(labels).observe(value) };
  }

  /** Read when it is scraped; undefined shows nothing. */
  gauge(name: string, help: string, read: () => number | undefined): void {
    this.series('gauge', name, help, [], () => {
      const value = read();
      return value === undefined ? [] : [{ labels: {}, value }];
    });
  }

  /** Read when it is scraped. @param read lines, of which only the first `maxSeries` are shown; those of a counter never fall while they last. */
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

/** Of one metric without a fixed set of labels. */
export const maxSeries = 4_096;

/** Upper bounds in seconds, from half a millisecond to ten minutes. */
export const secondsBuckets: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
];
