// What a process tells about itself: garbage collections as V8 notes them, in a sample.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Registry } from 'prom-client';
import { realClock } from '../../../shared/clock.ts';
import { processFacts, sampleCollections } from '../../../shared/metrics/process.ts';

const sample = (text: string, series: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')[1],
  );

test('the collections of one second in ten are counted, each for ten, with their seconds', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;
  const due: { [ms: number]: () => void } = {};
  const keep = (ms: number, callback: () => void) => {
    due[ms] = callback;
    return () => {};
  };
  const register = new Registry();
  sampleCollections(register, { ...realClock, every: keep, after: keep });
  const counts = async (kind: string) => {
    const text = await register.metrics();
    const named = (what: string) => sample(text, `nodejs_gc_duration_seconds_${what}{kind="${kind}"}`);
    return { count: named('count'), seconds: named('sum') };
  };
  for (const kind of ['major', 'minor']) assert.deepEqual(await counts(kind), { count: 0, seconds: 0 }, kind);
  // what a collection takes at least, however fast and however busy the machine is
  for (const [kind, leastSeconds] of [
    ['major', 1e-4],
    ['minor', 1e-6],
  ] as const) {
    const before = await counts(kind);
    const collectFive = () => {
      for (let i = 0; i < 5; i++) kind === 'minor' ? collect({ type: 'minor' }) : collect();
    };
    collectFive();
    due[10_000]?.();
    const began = process.hrtime.bigint();
    collectFive();
    const elapsed = Number(process.hrtime.bigint() - began) / 1e9;
    due[1_000]?.();
    collectFive();
    const after = await counts(kind);
    const count = after.count - before.count;
    const seconds = after.seconds - before.seconds;
    assert.equal(count % 10, 0, `${kind}: ${count}`);
    // V8 may collect once more when it likes to, which is not ten times more.
    assert.ok(count >= 50 && count < 100, `${kind}: ${count}`);
    assert.ok(seconds >= leastSeconds * count && seconds <= 10 * elapsed, `${kind}: ${seconds} of ${elapsed} s`);
  }
});

test('only what the dashboards show is told', () => {
  const names = processFacts().map(({ name }) => name);
  for (const name of ['process_cpu_seconds_total', 'process_heap_bytes']) assert.ok(!names.includes(name), name);
  assert.ok(names.includes('process_resident_memory_bytes'));
});
