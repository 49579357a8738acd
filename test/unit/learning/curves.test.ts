// The sinusoid's siblings: every task's points lie on one line, one pair of harmonics, or one step
// function, in the ranges that the job file says; the same task on every worker; other tasks in
// another split.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readJob } from '../../../learning/job-file.ts';
import { builtIn } from '../../../learning/registry.ts';
import type { Split } from '../../../learning/tasks.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { openTasks } from './open-tasks.ts';

async function draw(section: object, index: number, split: Split = 'train') {
  const text = JSON.stringify({
    name: 'curves',
    task: section,
    model: { architecture: 'mlp' },
    algorithm: { name: 'maml' },
    meta: { iterations: 1 },
  });
  const { task: spec } = readJob(text, builtIn).spec;
  const distribution = await openTasks(spec as never, { seed: 3, dataDirectories: [], usedSplits: ['train', 'test'] });
  const task = allocateTasks(distribution.facts, 1).task(0);
  distribution.sample(split, index, task);
  const x = [...task.supportInputs!, ...task.queryInputs!];
  const y = [...task.supportTargets!, ...task.queryTargets!];
  return {
    x,
    y,
    points: x.map((value, i) => [value, y[i]!] as const),
    splitDescription: distribution.splitDescription,
  };
}

/** Least squares by the normal equations: the squared error that is left, a share of y's own. */
function misfit(rows: readonly (readonly number[])[], y: readonly number[]): number {
  const size = rows[0]!.length;
  const a = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size + 1 }, (_, j) =>
      rows.reduce((sum, row, at) => sum + row[i]! * (j === size ? y[at]! : row[j]!), 0),
    ),
  );
  for (let i = 0; i < size; i++) {
    for (let below = 0; below < size; below++) {
      if (below === i) continue;
      const factor = a[below]![i]! / a[i]![i]!;
      for (let j = i; j <= size; j++) a[below]![j]! -= factor * a[i]![j]!;
    }
  }
  const solution = a.map((row, i) => row[size]! / row[i]!);
  const left = rows.reduce((sum, row, at) => {
    const predicted = row.reduce((total, value, i) => total + value * solution[i]!, 0);
    return sum + (predicted - y[at]!) ** 2;
  }, 0);
  return left / y.reduce((sum, value) => sum + value ** 2, 0);
}

describe('regressions on functions of one number', () => {
  it('a linear task is one line, with slope and intercept in their ranges', async () => {
    for (let index = 0; index < 20; index++) {
      const { points } = await draw({ distribution: 'linear', shots: 6, slope: [1, 2], intercept: [-4, -3] }, index);
      const [[x0, y0], [x1, y1]] = points as never as [[number, number], [number, number]];
      const slope = (y1 - y0) / (x1 - x0);
      const intercept = y0 - slope * x0;
      assert.ok(slope > 1 - 1e-3 && slope < 2 + 1e-3 && intercept > -4 - 1e-2 && intercept < -3 + 1e-2);
      for (const [x, y] of points) assert.ok(Math.abs(slope * x + intercept - y) < 1e-2);
    }
  });

  it('a harmonic task is a sine wave of its frequency and the one of twice that', async () => {
    const section = { distribution: 'harmonic', shots: 20, frequency: [6, 6] };
    for (let index = 0; index < 5; index++) {
      const { x, y } = await draw(section, index);
      const waves = (omega: number) =>
        x.map((at) => [1, 2].flatMap((n) => [Math.sin(n * omega * at), Math.cos(n * omega * at)]));
      assert.ok(misfit(waves(6), y) < 1e-4);
      assert.ok(misfit(waves(5), y) > 1e-2, 'another frequency does not fit');
    }
  });

  it('a step function has two levels and one jump, in its range', async () => {
    let jumps = 0;
    for (let index = 0; index < 20; index++) {
      const { points } = await draw({ distribution: 'step-function', shots: 20, levels: [0.25, 2] }, index);
      const below = points.filter(([, y]) => y === 0.25).map(([x]) => x);
      const above = points.filter(([, y]) => y === 2).map(([x]) => x);
      assert.equal(below.length + above.length, points.length);
      const [from, to] = [Math.max(...below), Math.min(...above)];
      assert.ok(from < to && to > -2.5 && from < 2.5);
      jumps += from > -2.5 && to < 2.5 ? 1 : 0;
    }
    assert.ok(jumps > 10);
  });

  for (const distribution of ['linear', 'harmonic', 'step-function']) {
    it(`${distribution}: a task depends on seed, split and number alone`, async () => {
      const [first, again, other, test] = await Promise.all([
        draw({ distribution }, 4),
        draw({ distribution }, 4),
        draw({ distribution }, 5),
        draw({ distribution }, 4, 'test'),
      ]);
      assert.deepEqual(first, again);
      assert.notDeepEqual(first.x, other.x);
      assert.notDeepEqual(first.x, test.x);
      assert.match(first.splitDescription, /every split draws new tasks without end$/);
    });
  }

  it('names a range that is the wrong way round', async () => {
    await assert.rejects(
      draw({ distribution: 'linear', slope: [2, 1] }, 0),
      /task\.slope: got \[2, 1\]; accepted: a range/,
    );
    await assert.rejects(draw({ distribution: 'harmonic', frequency: [7, 5] }, 0), /task\.frequency/);
    await assert.rejects(draw({ distribution: 'step-function', jump: [1, 0] }, 0), /task\.jump/);
  });
});
