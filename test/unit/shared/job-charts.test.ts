// What charts are made of, where it is more than a choice of curves.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { movingMedian } from '../../../shared/job-charts.ts';

test('a moving median is the median of the fortieth of all points to either side', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.double({ noNaN: true }), fc.integer({ min: 0, max: 3 })), { maxLength: 130 }),
      (ys) => {
        const reach = Math.ceil(ys.length / 40);
        const medians = ys.map((_, i) => {
          const around = ys.slice(Math.max(0, i - reach), i + reach + 1).sort((a, b) => a - b);
          return { x: 7 * i, y: around[Math.floor(around.length / 2)]! + 0 };
        });
        const found = movingMedian(ys.map((y, i) => ({ x: 7 * i, y, halfWidth95: 1 })));
        assert.deepEqual(
          found.map(({ x, y }) => ({ x, y: y + 0 })),
          medians,
        );
      },
    ),
  );
});
