import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { scaleFor, ticksFor } from '../../../shared/axis.ts';

test('a logarithm helps where values are positive and far apart', () => {
  assert.equal(scaleFor([0.3, 3]), 'log');
  assert.equal(scaleFor([1, 2]), 'linear');
  assert.equal(scaleFor([0, 3]), 'linear');
  assert.equal(scaleFor([-1, 100]), 'linear');
  assert.equal(scaleFor([]), 'linear');
});

const labels = (...args: Parameters<typeof ticksFor>) => ticksFor(...args).map(({ label }) => label);

test('ticks are round values with as many decimals as they need', () => {
  assert.deepEqual(labels(0, 20_000, 'linear', 5), ['0', '5,000', '10,000', '15,000', '20,000']);
  assert.deepEqual(labels(0.21, 0.44, 'linear', 4), ['0.25', '0.30', '0.35', '0.40']);
  assert.deepEqual(labels(-1, 1, 'linear', 4), ['-1.0', '-0.5', '0.0', '0.5', '1.0']);
  assert.deepEqual(labels(0, 3, 'linear', 10, true), ['0', '1', '2', '3'], 'no half steps');
  assert.deepEqual(labels(0.2, 5, 'log', 4), ['0.2', '0.5', '1', '2', '5']);
  assert.deepEqual(labels(0.001, 1_000, 'log', 6), ['0.001', '0.01', '0.1', '1', '10', '100', '1,000']);
  assert.deepEqual(labels(1e-9, 1e9, 'log', 3), ['1e-6', '1', '1,000,000']);
});

test('for any range the ticks ascend, lie inside it, and are few', () => {
  const range = fc.tuple(
    fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
    fc.double({ min: 1.01, max: 1e6, noNaN: true }),
  );
  fc.assert(
    fc.property(
      range,
      fc.constantFrom('linear', 'log'),
      fc.integer({ min: 2, max: 12 }),
      ([low, factor], scale, count) => {
        const high = low * factor;
        const values = ticksFor(low, high, scale, count).map(({ value }) => value);
        assert.ok(values.length <= count + 1, `${values}`);
        assert.deepEqual(
          values,
          [...values].sort((a, b) => a - b),
        );
        const slack = 1e-6 * high;
        assert.ok(
          values.every((value) => value >= low - slack && value <= high + slack),
          `${values}`,
        );
      },
    ),
  );
});
