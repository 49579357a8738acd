// What a process really takes: the prediction is near it, and rematerialisation lowers it.
import assert from 'node:assert/strict';
import { platform } from 'node:os';
import test from 'node:test';
import { type MemoryCase, measureInChild } from '../../../bench/memory.ts';
import { leftOutUnless } from '../../support/needs.ts';

const skip = leftOutUnless(platform() === 'linux', 'measured memory', 'only Linux tells the peak of a process');

const small: MemoryCase = { innerSteps: 8, rematerialize: false, filters: 40, shots: 5, queries: 1 };

test('second order takes the predicted memory, and less than half of it when rematerialised', {
  skip,
}, () => {
  const kept = measureInChild(small);
  const again = measureInChild({ ...small, rematerialize: true });
  // measured beyond the prediction: what kernels need on the way, and the JavaScript engine's own
  assert.ok(
    kept.measuredMiB > 0.7 * kept.predictedMiB && kept.measuredMiB < 1.5 * kept.predictedMiB + 60,
    JSON.stringify(kept),
  );
  assert.ok(again.predictedMiB < 0.35 * kept.predictedMiB, JSON.stringify([kept, again]));
  assert.ok(again.measuredMiB < 0.6 * kept.measuredMiB, JSON.stringify([kept, again]));
});
