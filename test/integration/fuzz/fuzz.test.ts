import assert from 'node:assert/strict';
import test from 'node:test';
import { fuzz } from '../../fuzz/fuzz.ts';

test('hundreds of random requests end with documented statuses, and the coordinator still serves', async () => {
  const counts = await fuzz(600, 20_261_125);
  assert.ok(Object.values(counts).every((count) => count >= 60));
});
