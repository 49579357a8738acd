// Our counters and histograms against prom-client's own: the same observations give the same text.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Counter, Histogram, Registry } from 'prom-client';
import { Meter } from '../../../shared/metrics/meter.ts';

const sets = { work: ['train', 'evaluate'], outcome: ['counted', 'dropped'] } as const;
const combinations = sets.work.flatMap((work) => sets.outcome.map((outcome) => ({ work, outcome })));
const buckets = [0.001, 0.01, 0.1, 1];

/** Some on a bound, some below and above them all. */
const values = [0, 0.001, 0.0011, 0.1, 1, 1.5, 3e4, ...Array.from({ length: 50 }, (_, i) => (i * i) / 1_000)];

test('a histogram is exposed as prom-client would', async () => {
  const [meter, register] = [new Meter(), new Registry()];
  const ours = meter.histogram('took_seconds', 'How long.', buckets, sets);
  const theirs = new Histogram({
    name: 'took_seconds',
    help: 'How long.',
    buckets,
    labelNames: Object.keys(sets),
    registers: [register],
  });
  for (const labels of combinations) theirs.zero(labels);
  for (const [i, value] of values.entries()) {
    for (const histogram of [ours, theirs]) histogram.observe(combinations[i % 3]!, value);
  }
  assert.equal(await meter.expose(), await register.metrics());
});

test('a histogram without labels is there from the start', async () => {
  const meter = new Meter();
  const histogram = meter.histogram('took_seconds', 'How long.', [1]);
  assert.match(await meter.expose(), /^took_seconds_bucket\{le="\+Inf"\} 0$/m);
  histogram.observe({}, 2);
  const text = await meter.expose();
  assert.match(text, /^took_seconds_bucket\{le="1"\} 0$/m);
  assert.match(text, /^took_seconds_sum 2$/m);
  assert.match(text, /^took_seconds_count 1$/m);
});

test('a counter is exposed as prom-client would', async () => {
  const [meter, register] = [new Meter(), new Registry()];
  const ours = meter.counter('results_total', 'Results.', sets);
  const theirs = new Counter({
    name: 'results_total',
    help: 'Results.',
    labelNames: Object.keys(sets),
    registers: [register],
  });
  for (const labels of combinations) theirs.inc(labels, 0);
  for (const [i, value] of values.entries()) {
    const labels = combinations[i % 3]!;
    ours.add(labels, value);
    theirs.inc(labels, value);
  }
  ours.add(combinations[3]!);
  theirs.inc(combinations[3]!);
  assert.equal(await meter.expose(), await register.metrics());
});

test('what is no number, no growth or no series of the metric is refused', () => {
  const meter = new Meter();
  const counter = meter.counter('results_total', 'Results.', sets);
  const histogram = meter.histogram('took_seconds', 'How long.', buckets);
  const labels = combinations[0]!;
  for (const amount of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => counter.add(labels, amount), /results_total cannot grow by/);
  }
  for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
    assert.throws(() => histogram.observe({}, value), /not a finite number/);
  }
  assert.throws(() => counter.add({ work: 'train', outcome: 'lost' } as never), /no series has the labels/);
});
