// Against a Map and a Set of JavaScript's own: the same calls give the same answers, in the same order.
import assert from 'node:assert/strict';
import test from 'node:test';
import { PassingMap, PassingSet } from '../../../shared/passing.ts';
import { taskRng } from '../../../shared/rng.ts';

for (const keys of [3, 500]) {
  test(`thousands of entries pass through a map of at most ${keys} as through a Map`, () => {
    const rng = taskRng(keys, 'passing', 0);
    const [ours, theirs] = [new PassingMap<string, number>(), new Map<string, number>()];
    for (let i = 0; i < 20_000; i += 1) {
      const key = `k${rng.below(keys)}`;
      if (rng.uniform() < 0.5) {
        ours.set(key, i);
        theirs.set(key, i);
      } else {
        assert.equal(ours.delete(key), theirs.delete(key));
      }
      if (i === 10_000) for (const map of [ours, theirs]) map.clear();
      const other = `k${rng.below(keys)}`;
      assert.equal(ours.get(other), theirs.get(other));
      assert.equal(ours.has(other), theirs.has(other));
      assert.equal(ours.size, theirs.size);
      if (i % 100 !== 0) continue;
      assert.deepEqual([...ours], [...theirs]);
      assert.deepEqual([...ours.keys()], [...theirs.keys()]);
      assert.deepEqual([...ours.values()], [...theirs.values()]);
    }
  });
}

test('what is deleted while the entries are gone through is not met, and what is left is', () => {
  const set = new PassingSet<number>();
  for (let i = 0; i < 200; i += 1) set.add(i);
  const met: number[] = [];
  for (const value of set) {
    met.push(value);
    set.delete(value);
    set.delete(value + 1);
  }
  assert.deepEqual(
    met,
    [...Array(100).keys()].map((i) => 2 * i),
  );
  assert.equal(set.size, 0);
  set.add(7);
  assert.deepEqual([...set, set.has(7), set.has(8)], [7, true, false]);
});
