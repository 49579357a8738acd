// Memory: what is predicted, how a shard is cut into runs by it, when a program is refused, and that rematerialisation does lower it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { createCompiledEngine } from '../../../worker/engine/compiled.ts';
import { deviceFacts } from '../../../worker/engine/devices.ts';
import type { CompileReport, Engine, TaskProgramOptions } from '../../../worker/engine/engine.ts';
import { peakBytesOf } from '../../../worker/engine/graph/cost.ts';
import { sizeOf } from '../../../worker/engine/graph/operation.ts';
import { planProgram } from '../../../worker/engine/plan.ts';
import { SessionCache } from '../../../worker/engine/session-cache.ts';
import { rematerialize } from '../../../worker/engine/tf/rematerialize.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import { trace } from '../../../worker/engine/trace/trace.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';
import { type ConvOptions, convProgram, fill, mlpProgram, relativeError } from './programs.ts';

const conv: ConvOptions = {
  size: 8,
  channels: 1,
  filters: 8,
  layers: 2,
  ways: 3,
  images: 6,
  queries: 3,
  downsampling: 'stride',
};

/** Of the program as one ONNX model. */
const peakOf = (program: TaskProgramOptions): number => planProgram(program, { target: 'onnx' }).peakBytes;

describe('the predicted peak', () => {
  it('counts what is alive at the worst moment', () => {
    const program: TaskProgramOptions = {
      name: 'test',
      metaParams: {},
      task: { x: { shape: [1000], dtype: 'float32' } },
      taskCount: 1,
      // exp and sin are alive together with x, then their product with the two; the sum comes when x is gone
      taskFunction: (_, { x }) => ({ sum: { y: tf.sum(tf.mul(tf.exp(x!), tf.sin(x!))) }, each: {} }),
    };
    assert.equal(peakBytesOf(trace(program)), 4 * 3000);
  });

  it('of second order grows with the inner steps, of first order it does not', () => {
    const peak = (order: 'first' | 'second', innerSteps: number) =>
      peakOf(convProgram(conv, { order, innerSteps, taskCount: 2 }));
    const second = [1, 2, 4, 8].map((steps) => peak('second', steps));
    const perStep = (second[3]! - second[2]!) / 4;
    assert.ok(perStep > 0.2 * second[0]!, `${second}`);
    assert.ok(Math.abs(second[2]! - second[1]! - 2 * perStep) < 0.2 * perStep, `${second}`);
    assert.ok(peak('first', 8) < 1.2 * peak('first', 2));
  });

  it('with rematerialisation hardly grows, and the gradients are equal to rounding', async () => {
    const kept = (innerSteps: number) => convProgram(conv, { order: 'second', innerSteps, taskCount: 2 });
    const again = (innerSteps: number) =>
      convProgram(conv, { order: 'second', innerSteps, taskCount: 2, rematerialize: true });
    assert.ok(peakOf(again(8)) < 0.35 * peakOf(kept(8)), `${peakOf(again(8))} of ${peakOf(kept(8))}`);
    // all that waits of a step is where it began: φ of each task
    const phi = Object.values(kept(1).metaParams).reduce((bytes, { shape }) => bytes + 2 * 4 * sizeOf(shape), 0);
    assert.equal(peakOf(again(8)) - peakOf(again(2)), 6 * phi);
    const engine = await createCompiledEngine({ facts: deviceFacts('cpu') });
    const [metaParams, tasks] = [
      fill(kept(4).metaParams, { seed: 1 }),
      fill(kept(4).task, { seed: 2, count: 2, labels: 3 }),
    ];
    const [expected, actual] = [
      await (await engine.compile(kept(4))).run(metaParams, tasks),
      await (await engine.compile(again(4))).run(metaParams, tasks),
    ];
    for (const [name, values] of Object.entries(expected.sum)) {
      // the same products, added in another order
      assert.ok(relativeError(actual.sum[name]!, values) < 1e-4, name);
    }
    await engine.close();
  });

  it('rematerialisation is refused with first order, which keeps nothing', () => {
    const job = sinusoidSpec('test', { algorithm: { name: 'maml', order: 'first', rematerialize: true } });
    assert.throws(() => parseJobSpec(job), {
      message:
        'invalid job: algorithm.rematerialize: got true; accepted: false with algorithm.order first, which keeps nothing of the inner loop',
    });
  });

  it('rematerialisation outside of any gradient is the function itself', () => {
    tf.setBackend('cpu');
    const [y] = rematerialize(([x]) => [tf.square(x!)], [tf.scalar(3)]);
    assert.deepEqual([...y!.dataSync()], [9]);
  });

  it('rematerialisation can be differentiated twice', () => {
    tf.setBackend('cpu');
    const cube = (x: tf.Tensor) => rematerialize(([x]) => [tf.pow(x!, 3)], [x])[0] as tf.Scalar;
    const second = tf.grad((x: tf.Tensor) => tf.grad(cube)(x))(tf.scalar(2));
    assert.ok(Math.abs(second.dataSync()[0]! - 12) < 1e-4);
  });
});

describe('a shard beyond the budget of a run', () => {
  const program = mlpProgram({ order: 'second', taskCount: 6 });

  it('is cut into the fewest equal runs within it', () => {
    const peaks = new Map([1, 2, 3, 6].map((tasks) => [tasks, peakOf({ ...program, taskCount: tasks })]));
    for (const [tasks, peak] of peaks) assert.equal(planProgram(program, {}, peak).tasksPerRun, tasks);
    assert.equal(planProgram(program, {}, peaks.get(6)! - 1).tasksPerRun, 3);
    assert.equal(planProgram(program, {}, 1).tasksPerRun, 1, 'a task is never cut');
    assert.equal(planProgram({ ...program, taskCount: 5 }, {}, peaks.get(3)!).tasksPerRun, 1);
  });

  it('gives the sums and the values of one run', async () => {
    const metaParams = fill(program.metaParams, { seed: 1 });
    const tasks = fill(program.task, { seed: 2, count: 6 });
    const results = [];
    for (const tasksPerRun of [6, 3, 2, 1]) {
      const budget = peakOf({ ...program, taskCount: tasksPerRun });
      const reports: CompileReport[] = [];
      const engine = await createCompiledEngine({
        facts: deviceFacts('cpu'),
        runBudgetBytes: budget,
        onCompiled: (report) => reports.push(report),
      });
      const compiled = await engine.compile(program);
      assert.equal(reports[0]!.tasksPerRun, tasksPerRun);
      assert.deepEqual(compiled.outputs.each.taskLoss, { shape: [6], dtype: 'float32' });
      results.push(await compiled.run(metaParams, tasks));
      await engine.close();
    }
    for (const { sum, each } of results.slice(1)) {
      assert.ok(relativeError(each.taskLoss!, results[0]!.each.taskLoss!) < 1e-6);
      // six terms, added in another order
      for (const [name, values] of Object.entries(sum))
        assert.ok(relativeError(values, results[0]!.sum[name]!) < 1e-5, name);
    }
  });
});

describe('sessions', () => {
  const program = mlpProgram({ order: 'first', taskCount: 2 });

  it('are shared by programs with equal graphs, counted, and released with the last of them', async () => {
    const sessions = new SessionCache();
    const reports: CompileReport[] = [];
    const engines = await Promise.all(
      [1, 2].map(() =>
        createCompiledEngine({ facts: deviceFacts('cpu'), sessions, onCompiled: (report) => reports.push(report) }),
      ),
    );
    const programs = [];
    for (const engine of engines) programs.push(await engine.compile({ ...program }));
    await engines[0]!.compile({ ...program, taskCount: 3 });
    assert.deepEqual(sessions.counts, { created: 2, shared: 1, open: 2 });
    assert.deepEqual(
      reports.map(({ isSessionShared, taskCount }) => [isSessionShared, taskCount]),
      [
        [false, 2],
        [true, 2],
        [false, 3],
      ],
    );
    assert.deepEqual(
      engines.map(({ statistics: { programs, sessionsCreated, sessionsShared } }) => [
        programs,
        sessionsCreated,
        sessionsShared,
      ]),
      [
        [2, 2, 0],
        [1, 0, 1],
      ],
    );
    await engines[0]!.close();
    assert.equal(sessions.counts.open, 1);
    await programs[1]!.run(fill(program.metaParams, { seed: 1 }), fill(program.task, { seed: 2, count: 2 }));
    await programs[1]!.dispose();
    await programs[1]!.dispose();
    assert.deepEqual([sessions.counts.open, sessions.heldBytes], [0, 0]);
    await engines[1]!.close();
  });

  it('beyond the limit are refused with the figures and what helps', async () => {
    const peak = peakOf(program);
    const sessions = new SessionCache({ memoryLimitBytes: Math.floor(1.5 * peak) });
    const engine = await createCompiledEngine({ facts: deviceFacts('cpu'), sessions });
    const first = await engine.compile(program);
    const other = { ...program, name: 'maml mlp evaluate', taskCount: 3 };
    await assert.rejects(engine.compile(other), (error: { code: string; message: string; details: object }) => {
      assert.equal(error.code, 'OUT_OF_MEMORY');
      assert.match(
        error.message,
        /program "maml mlp evaluate" needs about [\d.]+ MiB for a run of 3 tasks, beside [\d.]+ MiB .*; a compute thread here has [\d.]+ MiB\. .*placement\.shardSize.*algorithm\.rematerialize: true/,
      );
      assert.deepEqual(error.details, {
        program: 'maml mlp evaluate',
        predictedBytes: peakOf(other),
        heldBytes: peak,
        limitBytes: Math.floor(1.5 * peak),
        tasksPerRun: 3,
      });
      return true;
    });
    await first.dispose();
    await engine.compile(other);
    await engine.close();
  });

  it('ask for room before they are refused, and for no more than they need', async () => {
    const closed: string[] = [];
    const peak = peakOf(program);
    const sessions = new SessionCache({ memoryLimitBytes: 3 * (2 ** 19 + peak) });
    const makeRoom = async () => {
      const [name, engine] = open.shift() ?? [];
      if (!name) return false;
      closed.push(name);
      await engine?.close();
      return true;
    };
    const open: [string, Engine][] = [];
    for (const taskCount of [2, 3, 4, 5]) {
      const engine = await createCompiledEngine({ facts: deviceFacts('cpu'), sessions, makeRoom });
      await engine.compile({ ...program, taskCount });
      open.push([`of ${taskCount}`, engine]);
    }
    assert.deepEqual(closed, ['of 2', 'of 3']);
    for (const [, engine] of open) await engine.close();
  });
});
