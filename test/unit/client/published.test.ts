// What a gate of a quick reproduction lets pass, and that every file of examples/published is one.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { publishedNames, readPublished } from '../../../client/cli/published.ts';
import type { Measure } from '../../../shared/measures.ts';
import { type Gate, missedOf } from '../../../shared/reproduction.ts';

const loss: Measure = {
  name: 'loss',
  title: 'loss',
  axis: 'inner step',
  points: ['0', '1', '5'],
  better: 'lower',
  unit: '',
  estimates: [3, 0.7, 0.4].map((mean) => ({ mean, halfWidth95: 0.1 })),
};
const gateOf = (at: Gate['at'], measure = 'loss'): Gate => ({ measure, at });

test('a gate is passed where every bound holds, its end included', () => {
  assert.deepEqual(missedOf(gateOf({ 1: { atMost: 0.7 }, 5: { atLeast: 0.4 } }), [loss]), []);
});

test('what is missed is said with its figure', () => {
  assert.deepEqual(missedOf(gateOf({ 0: { atMost: 2 }, 1: { atLeast: 0.9 }, 5: { atMost: 1 } }), [loss]), [
    'loss at inner step 0: 3 instead of at most 2',
    'loss at inner step 1: 0.7 instead of at least 0.9',
  ]);
  assert.deepEqual(missedOf(gateOf({ 9: { atMost: 1 } }), [loss]), ['loss at inner step 9 was not measured']);
  assert.deepEqual(missedOf(gateOf({ 1: { atMost: 1 } }, 'accuracy'), [loss]), ['accuracy was not measured']);
  assert.deepEqual(missedOf(gateOf({ 1: { atMost: Number.NaN } }), [loss]).length, 1);
});

test('every published figure can be read, and its job file is there', () => {
  for (const name of publishedNames()) assert.ok(existsSync(readPublished(name).file), name);
});
