import assert from 'node:assert/strict';
import test from 'node:test';
import { PayloadMemory } from '../../../coordinator/payload-memory.ts';

test('memory that is given back is the next of its size, and aligned for any float', () => {
  const memory = new PayloadMemory();
  const first = memory.allocate(7_044);
  assert.equal(first.byteOffset % 8, 0);
  memory.release(first);
  assert.notEqual(memory.allocate(7_048), first, 'another size');
  assert.equal(memory.allocate(7_044), first);
  assert.notEqual(memory.allocate(7_044), first, 'given out once');
});

test('a part of something else is not kept, nor more than the bound', () => {
  const memory = new PayloadMemory();
  memory.release(Buffer.alloc(10_000).subarray(1));
  memory.release(memory.allocate(100));
  assert.equal(memory.idleBytes, 0);
  const size = 50 * 2 ** 20;
  for (const payload of [1, 2, 3].map(() => memory.allocate(size))) memory.release(payload);
  assert.equal(memory.idleBytes, 2 * size);
});

test('what nobody has asked for between two sweeps is let go', () => {
  const memory = new PayloadMemory();
  const [used, unused] = [memory.allocate(5_000), memory.allocate(6_000)];
  memory.release(used);
  memory.release(unused);
  memory.sweep();
  memory.release(memory.allocate(5_000));
  memory.sweep();
  assert.equal(memory.idleBytes, 5_000);
  assert.equal(memory.allocate(5_000), used);
});
