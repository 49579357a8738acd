// worker --check tells right gradients from wrong ones.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { compareEngines } from '../../../worker/check.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine, NamedArrays } from '../../../worker/engine/engine.ts';

const once = { runs: 1, milliseconds: 0 };

/** The engine, with every sum over tasks changed on its way out. */
const changed = (engine: Engine, change: (sum: NamedArrays) => NamedArrays): Engine => ({
  ...engine,
  compile: async (options) => {
    const program = await engine.compile(options);
    return {
      ...program,
      run: async (...inputs) => {
        const { sum, each } = await program.run(...inputs);
        return { sum: change(sum), each };
      },
    };
  },
});

const mapped = (sum: NamedArrays, change: (value: number, index: number) => number): NamedArrays =>
  Object.fromEntries(Object.entries(sum).map(([name, values]) => [name, (values as Float32Array).map(change)]));

describe('the check of an engine', () => {
  let compiled: Engine;
  before(async () => {
    compiled = await createEngine({ engine: 'compiled', device: 'cpu' });
  });
  after(() => compiled.close());

  it('passes an engine that gives the very numbers, and tells both speeds', async () => {
    const programs = await compareEngines(compiled, compiled, once);
    assert.deepEqual(
      programs.map(({ passed, difference }) => ({ passed, difference })),
      [
        { passed: true, difference: 0 },
        { passed: true, difference: 0 },
      ],
    );
    for (const { tasksPerSecond, referenceTasksPerSecond } of programs) {
      assert.ok(tasksPerSecond > 0 && referenceTasksPerSecond > 0);
    }
  });

  it('fails an engine whose gradients are a thousandth off, as with products in TF32', async () => {
    const off = changed(compiled, (sum) => mapped(sum, (value) => value * 1.001));
    for (const { passed, difference } of await compareEngines(off, compiled, once)) {
      assert.equal(passed, false);
      assert.ok(Math.abs(difference - 1e-3) < 1e-5);
    }
  });

  it('fails an engine that gives a NaN', async () => {
    const broken = changed(compiled, (sum) => mapped(sum, (value, index) => (index === 0 ? Number.NaN : value)));
    for (const { passed } of await compareEngines(broken, compiled, once)) assert.equal(passed, false);
  });
});
