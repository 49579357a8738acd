import assert from 'node:assert/strict';
import test from 'node:test';
import { PayloadMemory } from '../../../../coordinator/workers/payload-memory.ts';

test('returned memory is reused for the next payload of its size, aligned for floats', () => {
  const memory = new PayloadMemory(2 ** 30);
  const first = memory.allocate(7_044);
  assert.equal(first.byteOffset % 8, 0);
  memory.release(first);
  assert.notEqual(memory.allocate(7_048), first, 'another size');
  assert.equal(memory.allocate(7_044), first);
  assert.notEqual(memory.allocate(7_044), first, 'given out once');
});

test('a view into a larger buffer is not kept, and the total is bounded', () => {
  const memory = new PayloadMemory(2 ** 30);
  memory.release(Buffer.alloc(10_000).subarray(1));
  memory.release(memory.allocate(100));
  assert.equal(memory.idleBytes, 0);
  const size = 50 * 2 ** 20;
  for (const payload of [1, 2, 3].map(() => memory.allocate(size))) memory.release(payload);
  assert.equal(memory.idleBytes, 2 * size);
});

test('memory that was not used between two sweeps is released', () => {
  const memory = new PayloadMemory(2 ** 30);
  const [used, unused] = [memory.allocate(5_000), memory.allocate(6_000)];
  memory.release(used);
  memory.release(unused);
  memory.sweep();
  memory.release(memory.allocate(5_000));
  memory.sweep();
  assert.equal(memory.idleBytes, 5_000);
  assert.equal(memory.allocate(5_000), used);
});

test('payloads on their way in are bounded together, and count until they are taken or dropped', () => {
  const memory = new PayloadMemory(10_000);
  const [first, second] = [memory.allocate(4_000), memory.allocate(6_000)];
  assert.throws(() => memory.allocate(1), {
    code: 'QUEUE_FULL',
    message: 'a payload of 1 bytes does not fit: 10000 of 10000 bytes are taken by others on their way in',
  });
  memory.arrived(first);
  memory.drop(second);
  assert.equal(memory.arrivingBytes, 0);
  assert.equal(memory.allocate(6_000), second, 'dropped memory is used again');
  assert.notEqual(memory.allocate(4_000), first, "taken memory is its owner's");
});
