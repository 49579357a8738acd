// How often a job's meta-steps are summarised: closely at first, so that a short job has a curve, and never more than is of use to who follows a long one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppliedMetaStep } from '../../../coordinator/aggregation/training.ts';
import { Progress } from '../../../coordinator/progress.ts';

const applied: AppliedMetaStep = {
  queryLoss: 1,
  queryAccuracy: undefined,
  metaGradientNorm: 1,
  taskGradients: undefined,
  learningRate: 0.001,
  skippedTasks: 0,
};

/** When there was a summary, of a job that applies a meta-step every 10 ms from 0 on. */
function summaryTimes(steps: number, iterations = Number.MAX_SAFE_INTEGER): number[] {
  const progress = new Progress(iterations, 25, 0, 0);
  const times: number[] = [];
  for (let step = 1; step <= steps; step++) if (progress.applied(10 * step, step, applied)) times.push(10 * step);
  return times;
}

test('four a second for five seconds, then a twentieth of the time so far between two, at most a second', () => {
  const times = summaryTimes(10_000);
  const intervals = times.map((time, i) => time - (times[i - 1] ?? 0));
  times.forEach((time, i) => {
    const asked = Math.min(1_000, Math.max(250, time / 20));
    assert.ok(intervals[i]! >= asked && intervals[i]! < asked + 10, `${intervals[i]} ms at ${time} ms`);
  });
  assert.equal(times.filter((time) => time <= 5_000).length, 20);
});

test('the last meta-step always has one', () => {
  assert.deepEqual(summaryTimes(3, 3), [30]);
});
