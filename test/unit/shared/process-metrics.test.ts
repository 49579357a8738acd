// What a process tells about itself: garbage collections are noted by V8 and counted at a scrape, each once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { exposeProcess, processFacts, processRegistry } from '../../../shared/metrics/process.ts';

const sample = (text: string, series: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')[1] ?? 0,
  );

test('collections are counted by kind, with their seconds', async () => {
  processRegistry();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;
  const counts = async (kind: string) => {
    const text = await exposeProcess();
    const named = (what: string) => sample(text, `nodejs_gc_duration_seconds_${what}{kind="${kind}"}`);
    return { count: named('count'), seconds: named('sum') };
  };
  // what a collection takes at least, however fast and however busy the machine is
  for (const [kind, leastSeconds] of [
    ['major', 1e-4],
    ['minor', 1e-6],
  ] as const) {
    const began = process.hrtime.bigint();
    const before = await counts(kind);
    for (let i = 0; i < 5; i++) kind === 'minor' ? collect({ type: 'minor' }) : collect();
    const after = await counts(kind);
    const elapsed = Number(process.hrtime.bigint() - began) / 1e9;
    const count = after.count - before.count;
    const seconds = after.seconds - before.seconds;
    assert.ok(count >= 5, `${kind}: ${count}`);
    assert.ok(seconds >= leastSeconds * count && seconds <= elapsed, `${kind}: ${seconds} of ${elapsed} s`);
  }
});

test('only what the dashboards show is told', () => {
  const names = processFacts().map(({ name }) => name);
  for (const name of ['process_cpu_seconds_total', 'process_heap_bytes']) assert.ok(!names.includes(name), name);
  assert.ok(names.includes('process_resident_memory_bytes'));
});
