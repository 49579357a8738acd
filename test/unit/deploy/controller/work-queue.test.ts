import assert from 'node:assert/strict';
import test from 'node:test';
import { Backoff, WorkQueue } from '../../../../deploy/controller/work-queue.ts';
import type { Clock } from '../../../../shared/clock.ts';

/** Time that passes when told. */
function manualClock(): Clock & { advance(ms: number): void } {
  let now = 0;
  let timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  return {
    now: () => now,
    elapsedMs: () => now,
    after(delayMs, callback) {
      const timer = { atMs: now + delayMs, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((each) => each !== timer);
      };
    },
    every: () => () => undefined,
    advance(ms) {
      now += ms;
      const due = timers.filter(({ atMs }) => atMs <= now);
      timers = timers.filter(({ atMs }) => atMs > now);
      for (const { callback } of due) callback();
    },
  };
}

/** What the queue hands out, each kept open until it is let go. */
function worked(queue: WorkQueue, concurrency: number) {
  const stop = new AbortController();
  const begun: string[] = [];
  const open: (() => void)[] = [];
  const run = queue.run(
    (key) => {
      begun.push(key);
      return new Promise((resolve) => open.push(resolve));
    },
    concurrency,
    stop.signal,
  );
  return {
    begun,
    letGo: () => open.shift()?.(),
    async stop() {
      stop.abort();
      for (const resolve of open) resolve();
      await run;
    },
  };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

test('a key waits once, and comes again when it is added while it is worked on', async () => {
  const queue = new WorkQueue(manualClock());
  for (const key of ['a', 'a', 'b']) queue.add(key);
  const work = worked(queue, 1);
  await settled();
  assert.deepEqual(work.begun, ['a']);
  queue.add('a');
  queue.add('a');
  await settled();
  assert.deepEqual(work.begun, ['a'], 'never twice at a time');
  work.letGo();
  await settled();
  work.letGo();
  await settled();
  assert.deepEqual(work.begun, ['a', 'b', 'a']);
  await work.stop();
});

test('no more keys are worked on at a time than allowed', async () => {
  const queue = new WorkQueue(manualClock());
  const work = worked(queue, 2);
  for (const key of ['a', 'b', 'c']) queue.add(key);
  await settled();
  assert.deepEqual(work.begun, ['a', 'b']);
  await work.stop();
});

test('of several times for a key the earliest holds', async () => {
  const clock = manualClock();
  const queue = new WorkQueue(clock);
  const work = worked(queue, 1);
  queue.addAfter('a', 500);
  queue.addAfter('a', 100);
  queue.addAfter('a', 900);
  clock.advance(99);
  await settled();
  assert.deepEqual(work.begun, []);
  clock.advance(1);
  await settled();
  assert.deepEqual(work.begun, ['a']);
  work.letGo();
  clock.advance(1_000);
  await settled();
  assert.deepEqual(work.begun, ['a']);
  await work.stop();
});

test('pauses double up to a limit, and begin anew after a success', () => {
  const backoff = new Backoff(100, 1_000, () => 1);
  assert.deepEqual(
    Array.from({ length: 5 }, () => backoff.failed('a')),
    [100, 200, 400, 800, 1_000],
  );
  assert.equal(backoff.failed('b'), 100);
  backoff.succeeded('a');
  assert.equal(backoff.failed('a'), 100);
});
