// Which versions of the parameters are held, and when a buffer may be written again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetatrainError } from '../../../shared/errors.ts';
import { ParamsStore } from '../../../worker/compute/params-store.ts';

const bytes = (value: number, length = 8) => Buffer.alloc(length, value);
const isStale = (error: unknown) => error instanceof MetatrainError && error.code === 'META_STEP_STALE';

test('the newest three versions of a job are held, older ones are gone', () => {
  const store = new ParamsStore();
  for (let version = 0; version < 5; version += 1) store.put('job', version, bytes(version));
  assert.throws(() => store.hold('job', 1), isStale);
  for (const version of [2, 3, 4]) {
    assert.deepEqual(Buffer.from(store.hold('job', version).buffer), bytes(version));
  }
});

test('a version that a shard reads is neither dropped nor overwritten', () => {
  const store = new ParamsStore();
  store.put('job', 0, bytes(0));
  const held = store.hold('job', 0);
  for (let version = 1; version < 10; version += 1) store.put('job', version, bytes(version));
  assert.deepEqual(Buffer.from(held.buffer), bytes(0));
  store.hold('job', 0).release();
  held.release();
  store.put('job', 10, bytes(10));
  assert.throws(() => store.hold('job', 0), isStale);
});

test('a buffer that nobody reads is used again for the next version of the same size', () => {
  const store = new ParamsStore();
  const buffers = new Set<SharedArrayBuffer>();
  for (let version = 0; version < 50; version += 1) {
    store.put('job', version, bytes(version));
    const held = store.hold('job', version);
    buffers.add(held.buffer);
    held.release();
  }
  assert.equal(buffers.size, 3);
});

test('releasing twice counts once', () => {
  const store = new ParamsStore();
  store.put('job', 0, bytes(7));
  const first = store.hold('job', 0);
  const second = store.hold('job', 0);
  first.release();
  first.release();
  for (let version = 1; version < 6; version += 1) store.put('job', version, bytes(0));
  assert.deepEqual(Buffer.from(second.buffer), bytes(7));
});

test('a version announced again replaces what was held under its number', () => {
  const store = new ParamsStore();
  store.put('job', 0, bytes(1));
  const before = store.hold('job', 0);
  store.put('job', 0, bytes(2, 16));
  assert.deepEqual(Buffer.from(store.hold('job', 0).buffer), bytes(2, 16));
  assert.deepEqual(Buffer.from(before.buffer), bytes(1));
});

test('jobs do not see each other, and a forgotten job holds nothing', () => {
  const store = new ParamsStore();
  store.put('a', 0, bytes(1));
  assert.throws(() => store.hold('b', 0), isStale);
  store.forget('a');
  assert.throws(() => store.hold('a', 0), /got 0 of job a; held: none/);
});
