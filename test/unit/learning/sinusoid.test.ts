// The sinusoid distribution is the paper's: ranges, moments, one function a task, and the same task on every worker.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Split } from '../../../learning/tasks.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { openTasks } from './open-tasks.ts';

const spec = {
  distribution: 'sinusoid',
  shots: 5,
  queries: 5,
  amplitude: [0.1, 5],
  phase: [0, Math.PI],
  input: [-5, 5],
} as const;

async function draw(seed: number, split: Split, index: number, overrides = {}) {
  const distribution = await openTasks(
    { ...spec, amplitude: [...spec.amplitude], phase: [...spec.phase], input: [...spec.input], ...overrides },
    { seed, dataDirectories: [], usedSplits: ['train', 'test'] },
  );
  const task = allocateTasks(distribution.facts, 1).task(0);
  distribution.sample(split, index, task);
  return {
    inputs: [...task.supportInputs!, ...task.queryInputs!],
    targets: [...task.supportTargets!, ...task.queryTargets!],
  };
}

/** Least squares for y = p·sin x + q·cos x; the amplitude is √(p² + q²) and the phase atan2(−q, p). */
function fit({ inputs, targets }: { inputs: number[]; targets: number[] }) {
  let [ss, sc, cc, ys, yc] = [0, 0, 0, 0, 0];
  for (const [index, x] of inputs.entries()) {
    const [s, c] = [Math.sin(x), Math.cos(x)];
    ss += s * s;
    sc += s * c;
    cc += c * c;
    ys += targets[index]! * s;
    yc += targets[index]! * c;
  }
  const determinant = ss * cc - sc * sc;
  const p = (ys * cc - yc * sc) / determinant;
  const q = (yc * ss - ys * sc) / determinant;
  return { amplitude: Math.hypot(p, q), phase: Math.atan2(-q, p) };
}

describe('the sinusoid distribution', () => {
  it('draws each task from one A·sin(x − φ), with the phase as a shift and not as a frequency', async () => {
    const { amplitude, phase } = fit(await draw(1, 'train', 0));
    const { inputs, targets } = await draw(1, 'train', 0);
    for (const [index, x] of inputs.entries()) {
      assert.ok(Math.abs(targets[index]! - amplitude * Math.sin(x - phase)) < 1e-5);
    }
  });

  it('draws A, φ and x uniformly from their ranges: means and variances of 4,000 tasks', async () => {
    const drawn = { amplitude: [] as number[], phase: [] as number[], input: [] as number[] };
    for (let index = 0; index < 4000; index++) {
      const task = await draw(1, 'train', index);
      const { amplitude, phase } = fit(task);
      drawn.amplitude.push(amplitude);
      drawn.phase.push(phase);
      drawn.input.push(task.inputs[0]!);
    }
    for (const name of ['amplitude', 'phase', 'input'] as const) {
      const [low, high] = spec[name];
      const values = drawn[name];
      assert.ok(Math.min(...values) >= low - 1e-4 && Math.max(...values) <= high + 1e-4, `${name} stays in its range`);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      const width = high - low;
      // four standard errors: of the mean, width/√12/√n; of the variance of a uniform, width²/12·√(0.8/n)
      assert.ok(Math.abs(mean - (low + high) / 2) < (4 * width) / Math.sqrt(12 * 4000), `mean of ${name}: ${mean}`);
      assert.ok(
        Math.abs(variance - width ** 2 / 12) < 4 * (width ** 2 / 12) * Math.sqrt(0.8 / 4000),
        `variance of ${name}`,
      );
    }
  });

  it('draws the same task again from the same seed, split and index, and another from any other', async () => {
    const task = await draw(1, 'train', 12);
    assert.deepEqual(await draw(1, 'train', 12), task);
    for (const other of [draw(2, 'train', 12), draw(1, 'test', 12), draw(1, 'validation', 12), draw(1, 'train', 13)]) {
      assert.notDeepEqual(await other, task);
    }
  });

  it('takes a range of one value', async () => {
    const { inputs, targets } = await draw(1, 'train', 0, { amplitude: [2, 2], phase: [0, 0] });
    for (const [index, x] of inputs.entries()) assert.ok(Math.abs(targets[index]! - 2 * Math.sin(x)) < 1e-6);
  });
});
