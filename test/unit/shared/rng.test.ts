// The random streams: the very numbers of version 1, checked against a C program (xoshiro128starstar.c of Blackman and Vigna, with the
// seeding of shared/rng.ts added), and the laws that any use of them relies on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Rng, randomId, taskRng } from '../../../shared/rng.ts';

const words = (rng: Rng, length: number) => Array.from({ length }, () => rng.uniform() * 2 ** 32);
const many = <T>(length: number, draw: () => T): T[] => Array.from({ length }, draw);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

test('the stream of seed 7, purpose train, task 2³² + 5 is the one that the C reference prints', () => {
  assert.deepEqual(
    words(taskRng(7, 'train', 2 ** 32 + 5), 8),
    [3966437196, 551816939, 466376480, 993584940, 2263589255, 630425322, 2156486841, 2303128850],
  );
});

test('samples and ranges of a stream keep the values of version 1', () => {
  assert.deepEqual(taskRng(1, 'test', 3).sample(6, 20), [15, 12, 4, 0, 7, 11]);
  assert.equal(taskRng(1, 'test', 3).between(-5, 5), 0.4050397011451423);
});

test('normals of a stream keep the values of version 1, to the last places that a JavaScript engine may round otherwise', () => {
  const rng = taskRng(7, 'train', 0);
  for (const expected of [-2.806066030248758, 0.3146336130978932, -0.39946355954387464]) {
    const value = rng.normal();
    // log and cos may each be one unit in the last place off between versions of V8.
    assert.ok(Math.abs(value - expected) <= 8 * Number.EPSILON * Math.abs(expected), `${value}, expected ${expected}`);
  }
});

test('the same name gives the same stream, and any other seed, purpose or index another', () => {
  const first = (seed: number, purpose: string, index: number) => words(taskRng(seed, purpose, index), 4).join();
  const names: [number, string, number][] = [];
  for (const seed of [0, 1, 2, 0xffffffff]) {
    for (const purpose of ['train', 'test', 'initialize']) {
      for (const index of [0, 1, 2, 3, 0xffffffff, 2 ** 32, 2 ** 40 + 1]) names.push([seed, purpose, index]);
    }
  }
  assert.equal(new Set(names.map((name) => first(...name))).size, names.length);
  for (const name of names) assert.equal(first(...name), first(...name));
});

test('100,000 uniforms fill 100 bins evenly', () => {
  const rng = taskRng(3, 'uniform', 0);
  const bins = new Array<number>(100).fill(0);
  for (const value of many(100_000, rng.uniform)) bins[Math.floor(value * 100)]! += 1;
  const chiSquare = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  // 99 degrees of freedom: the 0.001 and 0.999 quantiles are 60.2 and 148.2.
  assert.ok(chiSquare > 60.2 && chiSquare < 148.2, `χ² = ${chiSquare}`);
});

test('the first numbers of 50,000 neighbouring tasks are as even as one long stream', () => {
  const bins = new Array<number>(64).fill(0);
  for (let index = 0; index < 50_000; index++) bins[Math.floor(taskRng(1, 'train', index).uniform() * 64)]! += 1;
  const expected = 50_000 / 64;
  const chiSquare = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 63 degrees of freedom: the 0.001 and 0.999 quantiles are 32.5 and 103.4.
  assert.ok(chiSquare > 32.5 && chiSquare < 103.4, `χ² = ${chiSquare}`);
});

test('streams of neighbouring tasks, seeds and purposes do not go together', () => {
  const length = 20_000;
  const pairs: [Rng, Rng][] = [
    [taskRng(1, 'train', 0), taskRng(1, 'train', 1)],
    [taskRng(1, 'train', 0), taskRng(2, 'train', 0)],
    [taskRng(1, 'train', 0), taskRng(1, 'test', 0)],
    [taskRng(1, 'train', 1), taskRng(1, 'train', 2 ** 32 + 1)],
  ];
  for (const [one, other] of pairs) {
    const correlation = 12 * mean(many(length, () => (one.uniform() - 0.5) * (other.uniform() - 0.5)));
    // Its standard deviation is 1/√length; four of them.
    assert.ok(Math.abs(correlation) < 4 / Math.sqrt(length), `correlation ${correlation}`);
  }
});

test('normals have the moments of the standard normal', () => {
  const rng = taskRng(5, 'normal', 0);
  const values = many(100_000, rng.normal);
  const moment = (power: number) => mean(values.map((value) => value ** power));
  // Four standard errors: √(E[x²ᵏ] − E[xᵏ]²) / √n, with the moments 1, 3, 15, 105 of the standard normal.
  const bound = (variance: number) => 4 * Math.sqrt(variance / values.length);
  assert.ok(Math.abs(moment(1)) < bound(1));
  assert.ok(Math.abs(moment(2) - 1) < bound(2));
  assert.ok(Math.abs(moment(3)) < bound(15));
  assert.ok(Math.abs(moment(4) - 3) < bound(96));
  assert.ok(values.every(Number.isFinite));
});

test('whole numbers below a bound that divides nothing are unbiased', () => {
  const rng = taskRng(9, 'below', 0);
  const counts = new Array<number>(7).fill(0);
  for (const value of many(70_000, () => rng.below(7))) counts[value]! += 1;
  const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
  // 6 degrees of freedom: the 0.999 quantile is 22.5.
  assert.ok(chiSquare < 22.5, `χ² = ${chiSquare}`);
  // A bound above 2³¹ would be biased by a factor of two without rejection: a third of the numbers would fall in the first quarter.
  const bound = 3 * 2 ** 30;
  const low = mean(many(20_000, () => (rng.below(bound) < 2 ** 30 ? 1 : 0)));
  assert.ok(Math.abs(low - 1 / 3) < 4 * Math.sqrt(2 / 9 / 20_000), `share below a third: ${low}`);
  assert.equal(rng.below(1), 0);
});

test('a sample is different whole numbers below its bound, and the beginning of a longer sample', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 2000 }), fc.nat(), (seed, bound, wanted) => {
      const count = wanted % (bound + 1);
      const sample = taskRng(seed, 'sample', 0).sample(count, bound);
      assert.equal(sample.length, count);
      assert.equal(new Set(sample).size, count);
      assert.ok(sample.every((value) => Number.isInteger(value) && value >= 0 && value < bound));
      assert.deepEqual(taskRng(seed, 'sample', 0).sample(bound, bound).slice(0, count), sample);
    }),
    { seed: 1, numRuns: 100 },
  );
});

test('every one of the 24 orders of four things is as likely', () => {
  const rng = taskRng(11, 'orders', 0);
  const counts = new Map<string, number>();
  for (const order of many(24_000, () => rng.sample(4, 4).join())) counts.set(order, (counts.get(order) ?? 0) + 1);
  assert.equal(counts.size, 24);
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  // 23 degrees of freedom: the 0.999 quantile is 49.7.
  assert.ok(chiSquare < 49.7, `χ² = ${chiSquare}`);
});

test('a bound that no number is below is our error, not an endless loop', () => {
  for (const bound of [0, -1, 1.5, Number.NaN, 2 ** 32 + 1]) {
    assert.throws(() => taskRng(1, 'train', 0).below(bound), /no whole number below/);
  }
  assert.throws(() => taskRng(1, 'train', 0).sample(4, 3), /no whole number below/);
});

test('random names are hexadecimal, of the asked length, and differ', () => {
  const names = many(1000, () => randomId());
  assert.ok(names.every((name) => /^[0-9a-f]{16}$/.test(name)));
  assert.equal(new Set(names).size, names.length);
  assert.match(randomId(4), /^[0-9a-f]{8}$/);
});
