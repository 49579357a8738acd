// How often a job's meta-steps are summarised: closely at first, so that a short job has a curve, and never more than is of use to who follows a long one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Progress } from '../../../../coordinator/jobs/progress.ts';
import type { AppliedMetaStep } from '../../../../learning/outer-loop/training.ts';
import { trainValues } from '../../../support/measures.ts';

const applied: AppliedMetaStep = {
  measures: trainValues(1),
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

test('summaries come four a second for five seconds, then after a twentieth of the time so far, at most a second apart', () => {
  const times = summaryTimes(10_000);
  const intervals = times.map((time, i) => time - (times[i - 1] ?? 0));
  times.forEach((time, i) => {
    const asked = Math.min(1_000, Math.max(250, time / 20));
    assert.ok(intervals[i]! >= asked && intervals[i]! < asked + 10, `${intervals[i]} ms at ${time} ms`);
  });
  assert.equal(times.filter((time) => time <= 5_000).length, 20);
});

test('meta-steps are summarised however often the job is evaluated, and evaluation time does not count in its pace', () => {
  const progress = new Progress(1_000, 25, 0, 0);
  const steps: number[] = [];
  let now = 0;
  for (let step = 1; step <= 999; step++) {
    now += 40;
    const summary = progress.applied(now, step, applied);
    if (summary) {
      steps.push(step);
      assert.ok(Math.abs(summary.metaStepsPerSecond - 25) < 1e-9, `${summary.metaStepsPerSecond} at meta-step ${step}`);
    }
    if (step % 5 === 0) {
      now += 700;
      progress.resume(now);
    }
  }
  const gaps = steps.map((step, i) => step - (steps[i - 1] ?? 0));
  assert.equal(gaps[0], 7, '280 ms of training');
  assert.equal(gaps.at(-1), 25, 'a second of training');
  assert.ok(Math.max(...gaps) <= 25, `${Math.max(...gaps)} meta-steps without a summary`);
});

test('a job that waited for an hour has as dense a curve as a job that did not wait', () => {
  const progress = new Progress(1_000, 25, 0, 0);
  progress.resume(3_600_000);
  const summary = [];
  for (let step = 1; step <= 100; step++) summary.push(progress.applied(3_600_000 + 10 * step, step, applied));
  assert.equal(summary.filter((told) => told !== undefined).length, 4);
});

test('a first meta-step that waited for compilation leaves no trace in the pace after it', () => {
  const progress = new Progress(100, 25, 0, 0);
  assert.equal(progress.applied(10_000, 1, applied)?.etaSeconds, 990);
  const next = progress.applied(11_000, 2, applied) ?? assert.fail('no summary');
  assert.equal(next.metaStepsPerSecond, 1);
  assert.equal(next.etaSeconds, 98);
});

test('the last meta-step always has a summary', () => {
  assert.deepEqual(summaryTimes(3, 3), [30]);
});
