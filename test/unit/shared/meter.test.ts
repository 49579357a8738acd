// Our counters and histograms against prom-client's own: the same observations give the same text.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Counter, Histogram, Registry } from 'prom-client';
import { Meter } from '../../../shared/metrics/meter.ts';

const dimensions = [
  ['work', ['train', 'evaluate']],
  ['outcome', ['counted', 'dropped']],
] as const;
const [[, works], [, outcomes]] = dimensions;
const labelNames = dimensions.map(([label]) => label);
const combinations = works.flatMap((work) => outcomes.map((outcome) => ({ work, outcome })));
const buckets = [0.001, 0.01, 0.1, 1];

/** Some on a bound, some below and above them all. */
const values = [0, 0.001, 0.0011, 0.1, 1, 1.5, 3e4, ...Array.from({ length: 50 }, (_, i) => (i * i) / 1_000)];

test('a histogram is exposed as prom-client would', async () => {
  const [meter, register] = [new Meter(), new Registry()];
  const ours = meter.histogram('took_seconds', 'How long.', buckets, ...dimensions);
  const theirs = new Histogram({
    name: 'took_seconds',
    help: 'How long.',
    buckets,
    labelNames,
    registers: [register],
  });
  for (const labels of combinations) theirs.zero(labels);
  for (const [i, value] of values.entries()) {
    const { work, outcome } = combinations[i % 3]!;
    ours[work][outcome].observe(value);
    theirs.observe({ work, outcome }, value);
  }
  assert.equal(await meter.expose(), await register.metrics());
});

test('a histogram without labels is there from the start', async () => {
  const meter = new Meter();
  const histogram = meter.histogram('took_seconds', 'How long.', [1]);
  assert.match(await meter.expose(), /^took_seconds_bucket\{le="\+Inf"\} 0$/m);
  histogram.observe(2);
  const text = await meter.expose();
  assert.match(text, /^took_seconds_bucket\{le="1"\} 0$/m);
  assert.match(text, /^took_seconds_sum 2$/m);
  assert.match(text, /^took_seconds_count 1$/m);
});

test('a counter is exposed as prom-client would', async () => {
  const [meter, register] = [new Meter(), new Registry()];
  const ours = meter.counter('results_total', 'Results.', ...dimensions);
  const theirs = new Counter({
    name: 'results_total',
    help: 'Results.',
    labelNames,
    registers: [register],
  });
  for (const labels of combinations) theirs.inc(labels, 0);
  for (const [i, value] of values.entries()) {
    const { work, outcome } = combinations[i % 3]!;
    ours[work][outcome].add(value);
    theirs.inc({ work, outcome }, value);
  }
  ours.evaluate.dropped.add();
  theirs.inc(combinations[3]!);
  assert.equal(await meter.expose(), await register.metrics());
});

test('what is no number or no growth is refused', () => {
  const meter = new Meter();
  const counter = meter.counter('results_total', 'Results.', ...dimensions);
  const histogram = meter.histogram('took_seconds', 'How long.', buckets);
  for (const amount of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => counter.train.counted.add(amount), /results_total cannot grow by/);
  }
  for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
    assert.throws(() => histogram.observe(value), /not a finite number/);
  }
});
