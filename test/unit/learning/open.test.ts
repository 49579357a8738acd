// A job's program: its first parameters, its shards, and what becomes of tasks whose numbers are not finite.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { builtIn } from '../../../learning/registry.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import type { JobSpec } from '../../../shared/job-spec/index.ts';
import type { MeasureRows } from '../../../shared/measures.ts';
import { layoutElements } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine, TaskProgram } from '../../../worker/engine/engine.ts';
import type { JobProgram } from '../../../worker/learning/job-program.ts';
import { openJobProgram } from '../../../worker/learning/open.ts';

const job = (overrides: Record<string, unknown> = {}): JobSpec =>
  parseJobSpec(
    JSON.stringify({
      name: 'test',
      seed: 3,
      task: { distribution: 'sinusoid', shots: 5 },
      model: { architecture: 'mlp', hiddenLayers: [8] },
      algorithm: { name: 'maml', innerLearningRate: 0.01 },
      meta: { iterations: 10 },
      evaluation: { innerSteps: 2 },
      ...overrides,
    }),
  );

/** To 1e-5: runs of several tasks may round otherwise than runs of one, which is why a job's shards are fixed by its spec. */
function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(actual.length, expected.length);
  const scale = Math.max(...Array.from(expected, Math.abs));
  const error = Math.max(...Array.from(expected, (value, index) => Math.abs(value - actual[index]!)));
  assert.ok(error <= 1e-5 * scale, `differs by ${error} of ${scale}`);
}

/** Of a regression's result, which has no other measure. */
function lossesOf({ measures }: { readonly measures: readonly MeasureRows[] }): readonly number[] {
  assert.deepEqual(
    measures.map(({ name }) => name),
    ['loss'],
  );
  return measures[0]!.values;
}

describe("a job's program", () => {
  let engine: Engine;
  const opened: JobProgram[] = [];
  before(async () => {
    engine = await createEngine({ engine: 'compiled', device: 'cpu' });
  });
  after(async () => {
    for (const program of opened) {
      await program.close();
      await program.close();
    }
    await engine.close();
  });
  const open = async (spec: JobSpec, on: Engine = engine) => {
    const program = await openJobProgram(spec, { registry: builtIn, dataDirectories: [], engine: on });
    opened.push(program);
    return program;
  };

  it('starts from parameters that follow from the seed alone', async () => {
    const { layout, metaParams, transductive, splitDescription } = (await open(job())).initialize();
    assert.deepEqual(layout.tensors, [
      { name: 'layer1.weights', shape: [1, 8] },
      { name: 'layer1.bias', shape: [8] },
      { name: 'layer2.weights', shape: [8, 1] },
      { name: 'layer2.bias', shape: [1] },
    ]);
    assert.equal(metaParams.length, layoutElements(layout));
    assert.deepEqual((await open(job({ meta: { iterations: 99 } }))).initialize().metaParams, metaParams);
    assert.notDeepEqual((await open(job({ seed: 4 }))).initialize().metaParams, metaParams);
    assert.equal(transductive, false);
    assert.match(splitDescription, /^sinusoids y = A·sin\(x − φ\), A in \[0\.1, 5\]/);
  });

  it('sums the meta-gradients of a shard, and shards of any size agree', async () => {
    const program = await open(job());
    const { metaParams } = program.initialize();
    const before = metaParams.slice();
    const train = (firstTask: number, taskCount: number) =>
      program.train(metaParams, { metaStep: 0, firstTask, taskCount });
    const whole = await train(40, 3);
    const singles = [await train(40, 1), await train(41, 1), await train(42, 1)];
    const sum = singles.map(({ metaGradientSum }) => metaGradientSum).reduce((a, b) => a.map((v, i) => v + b[i]!));
    assertClose(whole.metaGradientSum, sum);
    assertClose(lossesOf(whole), singles.flatMap(lossesOf));
    assert.deepEqual([whole.weight, whole.nonFiniteTasks], [3, []]);
    assert.deepEqual(metaParams, before, 'θ is not changed');
  });

  it('evaluates after 0, 1, … inner steps, the same tasks however they are cut into shards', async () => {
    const program = await open(job());
    const { metaParams } = program.initialize();
    const evaluate = (firstTask: number, taskCount: number, split: 'validation' | 'test' = 'test') =>
      program.evaluate(metaParams, { metaStep: 0, split, firstTask, taskCount });
    const whole = await evaluate(0, 3);
    assert.equal(lossesOf(whole).length, 9);
    const cut = [await evaluate(0, 2), await evaluate(2, 1)];
    assertClose(lossesOf(whole), cut.flatMap(lossesOf));
    assert.notDeepEqual(await evaluate(0, 3, 'validation'), whole);
  });

  it('leaves out the tasks that overflow, names them, and sums the others', async () => {
    // Second derivatives of amplitudes near 1e16 overflow float32 on the way; those of small ones do not.
    const program = await open(
      job({
        task: { distribution: 'sinusoid', amplitude: [0, 1e16] },
        algorithm: { name: 'maml', innerLearningRate: 1e-9 },
      }),
    );
    const { metaParams } = program.initialize();
    const train = (firstTask: number, taskCount: number) =>
      program.train(metaParams, { metaStep: 0, firstTask, taskCount });
    const shard = await train(0, 8);
    assert.ok(shard.nonFiniteTasks.length > 0 && shard.nonFiniteTasks.length < 8, `left out: ${shard.nonFiniteTasks}`);
    let sum = new Float32Array(metaParams.length);
    for (let task = 0; task < 8; task++) {
      const single = await train(task, 1);
      const isLeftOut = shard.nonFiniteTasks.includes(task);
      assert.deepEqual(single.nonFiniteTasks, isLeftOut ? [0] : []);
      sum = sum.map((value, index) => value + single.metaGradientSum[index]!);
    }
    assert.ok(sum.every(Number.isFinite));
    assert.deepEqual(shard.metaGradientSum, sum);
  });

  /**
   * An engine whose programs return `gradient(task)` everywhere and `loss(task)`; it counts what was
   * compiled and disposed of.
   */
  function scriptedEngine(
    gradient: (task: number) => number,
    { failures = 0, loss = () => 0 }: { readonly failures?: number; readonly loss?: (task: number) => number } = {},
  ) {
    const counts = { compiled: 0, disposed: 0 };
    let run = 0;
    let toFail = failures;
    const scripted: Engine = {
      fingerprint: 'scripted',
      statistics: { programs: 0, sessionsCreated: 0, sessionsShared: 0, traceMs: 0, optimizeMs: 0, sessionMs: 0 },
      close: async () => {},
      compile: async ({ metaParams, taskCount }) => {
        if (toFail-- > 0) throw new MetatrainError('OUT_OF_MEMORY', 'scripted');
        counts.compiled += 1;
        const program: TaskProgram = {
          outputs: { sum: {}, each: {} },
          run: async () => {
            const tasks = taskCount === 1 ? [run++] : Array.from({ length: taskCount }, (_, task) => task);
            const value = tasks.reduce((sum, task) => Math.fround(sum + Math.fround(gradient(task))), 0);
            const sum = Object.fromEntries(
              Object.entries(metaParams).map(([name, { shape }]) => [
                name,
                new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
              ]),
            );
            return { sum, each: { loss: Float32Array.from(tasks, loss) } };
          },
          dispose: async () => {
            counts.disposed += 1;
          },
        };
        return program;
      },
    };
    return { scripted, counts };
  }

  it('leaves out a finite task that takes the sum out of range, so that the sum is always finite', async () => {
    const { scripted } = scriptedEngine((task) => [3e38, 1e38, -2e38, 1e37][task]!);
    const program = await open(job(), scripted);
    const { metaParams } = program.initialize();
    const shard = await program.train(metaParams, { metaStep: 0, firstTask: 0, taskCount: 4 });
    assert.deepEqual(shard.nonFiniteTasks, [1]);
    const expected = [3e38, -2e38, 1e37].reduce((sum, value) => Math.fround(sum + Math.fround(value)), 0);
    assert.ok(shard.metaGradientSum.every((value) => value === expected));
  });

  it('leaves out a task whose loss is not finite, whatever its meta-gradient', async () => {
    const loss = (task: number) => [1, Number.POSITIVE_INFINITY, Number.NaN, 2][task]!;
    const { scripted } = scriptedEngine((task) => 10 ** task, { loss });
    const program = await open(job(), scripted);
    const { metaParams } = program.initialize();
    const shard = await program.train(metaParams, { metaStep: 0, firstTask: 0, taskCount: 4 });
    assert.deepEqual([shard.nonFiniteTasks, shard.weight], [[1, 2], 2]);
    assert.ok(shard.metaGradientSum.every((value) => value === 1_001));
  });

  it('compiles once for each kind of work and number of tasks, tries a failure again, and disposes of all when closed', async () => {
    const { scripted, counts } = scriptedEngine(() => 1, { failures: 1 });
    const program = await openJobProgram(job(), { registry: builtIn, dataDirectories: [], engine: scripted });
    const { metaParams } = program.initialize();
    const train = (taskCount: number) => program.train(metaParams, { metaStep: 0, firstTask: 0, taskCount });
    await assert.rejects(train(2), /scripted/);
    await Promise.all([train(2), train(2), train(1)]);
    assert.deepEqual(counts, { compiled: 2, disposed: 0 });
    await program.close();
    await program.close();
    assert.deepEqual(counts, { compiled: 2, disposed: 2 });
  });
});
