// Algorithms whose shards are procedures over compiled programs, adaptations that are loops, and programs that
// see the meta-step: as a test's own algorithm uses them, against the same computed in one program.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { repeated, rowOf, sumOfTasks } from '../../../learning/kit/contribution.ts';
import { evaluateFunction } from '../../../learning/kit/evaluate.ts';
import { Training } from '../../../learning/outer-loop/training.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { openJobProgram } from '../../../worker/learning/open.ts';
import { probeRegistry } from './probe.ts';
import { jobOf, openParts, relativeError, runOnTasks } from './small-jobs.ts';

const task = { distribution: 'sinusoid', shots: 4 };
const model = { architecture: 'mlp', hiddenLayers: [6] };
const meta = { iterations: 4, batchSize: 3 };

const jobFor = (algorithm: object, others: object = {}) =>
  jobOf(task, model, algorithm, probeRegistry, { meta, ...others });

describe('a procedure over programs', () => {
  const engines: Engine[] = [];
  let compiled: Engine;
  before(async () => {
    compiled = await createEngine({ engine: 'compiled', device: 'cpu' });
    engines.push(compiled, await createEngine({ engine: 'eager', device: 'cpu' }));
  });
  after(async () => {
    for (const engine of engines) await engine.close();
  });

  const open = (algorithm: object, others: object = {}, engine = compiled) =>
    openJobProgram(jobFor(algorithm, others).spec, { registry: probeRegistry, dataDirectories: [], engine });

  it('gives the meta-gradients and measures of the same algorithm in one program', async () => {
    const maml = { name: 'maml', order: 'first', innerSteps: 2, innerLearningRate: 0.1 };
    for (const engine of engines) {
      const [looped, traced] = [await open({ name: 'probe' }, {}, engine), await open(maml, {}, engine)];
      const { metaParams } = looped.initialize();
      for (const taskCount of [3, 1]) {
        const shard = { metaStep: 1, firstTask: 3, taskCount };
        const [actual, expected] = [await looped.train(metaParams, shard), await traced.train(metaParams, shard)];
        assert.ok(relativeError(actual.metaGradientSum, expected.metaGradientSum) < 1e-5);
        assert.ok(relativeError(actual.measures[0]!.values, expected.measures[0]!.values) < 1e-5);
        assert.deepEqual([actual.weight, actual.nonFiniteTasks], [taskCount, []]);
        assert.deepEqual(await looped.train(metaParams, shard), actual, 'twice the same bytes');
      }
      await looped.close();
      await traced.close();
    }
  });

  it('may have an adaptation that is a loop: one compiled step, whatever the number of steps', async () => {
    const evaluation = { tasks: 2, innerSteps: 200 };
    const counts: string[] = [];
    const counting: Engine = {
      ...compiled,
      compile: (options) => {
        counts.push(options.name);
        return compiled.compile(options);
      },
    };
    const long = await open({ name: 'probe', innerLearningRate: 0.01 }, { evaluation }, counting);
    const { metaParams } = long.initialize();
    const shard = { metaStep: 0, split: 'test', firstTask: 0, taskCount: 2 } as const;
    const [loss] = (await long.evaluate(metaParams, shard)).measures;
    assert.equal(loss!.values.length, 2 * 201);
    assert.equal(new Set(loss!.values).size, 2 * 201, 'each step moves');
    assert.deepEqual(counts, ['probe mlp evaluate start', 'probe mlp evaluate step']);
    await long.close();

    const job = jobFor({ name: 'probe' });
    const short = await open({ name: 'probe' });
    const looped = (await short.evaluate(metaParams, { ...shard, taskCount: 1 })).measures[0]!.values;
    const parts = await openParts(job, '');
    const traced = evaluateFunction(parts.algorithm, parts.kit, { points: 3 });
    const { each } = await runOnTasks(compiled, parts, traced, metaParams, 1, 'test');
    assert.equal(looped.length, 3);
    assert.ok(relativeError(looped, each.loss!) < 1e-5, 'point by point as in one program');
    await short.close();
  });

  it('sees the meta-step through small inputs, in training', async () => {
    const program = await open({ name: 'probe', isAnnealed: true });
    const { metaParams } = program.initialize();
    const at = async (metaStep: number) =>
      (await program.train(metaParams, { metaStep, firstTask: 0, taskCount: 2 })).metaGradientSum;
    const first = await at(0);
    assert.ok(
      relativeError(
        await at(3),
        first.map((value) => value / 4),
      ) < 1e-6,
    );
    await program.close();
  });

  it('compiles all its programs when it is told to prepare', async () => {
    const program = await open({ name: 'probe' });
    const before = compiled.statistics.programs;
    await program.prepare('train', 3);
    assert.equal(compiled.statistics.programs - before, 2);
    await program.prepare('evaluate', 3);
    assert.equal(compiled.statistics.programs - before, 4);
    await program.close();
  });

  for (const [mistake, message] of [
    ['program', /algorithm probe: its procedure ran the program "no such"; accepted: step, query/],
    ['vector', /returned nothing for the parameter layer1\.weights; accepted: 6 numbers/],
    ['measure', /returned 0 values of the measure loss; accepted: 2, one a task/],
    ['weight', /returned the weight 0; accepted: a finite number above 0/],
    ['order', /left out the tasks 1, 0; accepted: ascending offsets below 2/],
    ['inputs', /its inputs are weight, progress, more at meta-step 1; accepted: weight, progress, as at meta-step 0/],
    ['input', /its input progress at meta-step 1: got \[0\.25, 1\]; accepted: 1 finite float32 numbers/],
  ] as const) {
    it(`is told of its mistake: ${mistake}`, async () => {
      const program = await open({ name: 'probe', mistake });
      const { metaParams } = program.initialize();
      const shard = { metaStep: 1, firstTask: 0, taskCount: 2 };
      await assert.rejects(program.train(metaParams, shard), { code: 'REQUEST_INVALID', message });
      await program.close();
    });
  }

  it('is told of a step that returns another state than it takes', async () => {
    const program = await open({ name: 'probe', mistake: 'state' });
    const { metaParams } = program.initialize();
    await assert.rejects(program.evaluate(metaParams, { metaStep: 0, split: 'test', firstTask: 0, taskCount: 1 }), {
      code: 'REQUEST_INVALID',
      message:
        /a step of its adaptation returns .*state\.other float32 \[2\]; accepted: state\.layer1\.bias float32 \[6\]/,
    });
    await program.close();
  });

  it('counts for nothing when its sum is not finite, and no NaN leaves the worker', async () => {
    const program = await open({ name: 'probe', mistake: 'not finite' });
    const { metaParams } = program.initialize();
    const result = await program.train(metaParams, { metaStep: 0, firstTask: 0, taskCount: 2 });
    assert.deepEqual([result.weight, result.nonFiniteTasks], [0, [0, 1]]);
    assert.ok(result.metaGradientSum.every((value) => value === 0));
    await program.close();
  });
});

describe('parameters with roles', () => {
  it('get what their roles say, from the worker to the new θ', async () => {
    const engine = await createEngine({ engine: 'compiled', device: 'cpu' });
    const optimizer = { name: 'sgd', learningRate: 0.5 };
    const job = jobOf(task, model, { name: 'probe', hasRoles: true }, probeRegistry, {
      meta: { ...meta, optimizer, groups: { rates: { learningRate: 0.25 } } },
    });
    const program = await openJobProgram(job.spec, { registry: probeRegistry, dataDirectories: [], engine });
    const { layout, metaParams } = program.initialize();
    const training = Training.begin(job, layout, metaParams);
    const targets: number[] = [];
    const { tasks } = await openParts(job, '');
    for (const [shard, taskCount] of [2, 1].entries()) {
      const firstTask = 2 * shard;
      const result = await program.train(training.metaParams.vector, { metaStep: 0, firstTask, taskCount });
      training.keepTrainResult(shard, 2, { ...result, taskCount });
      const drawn = allocateTasks(job.task, taskCount);
      for (let i = 0; i < taskCount; i++) tasks.sample('train', firstTask + i, drawn.task(i));
      targets.push(...drawn.stacked.supportTargets!);
    }
    training.applyMetaStep(4, job.measures.train);
    const { rates, seen, constant } = viewsOf(layout, training.metaParams.vector);
    assert.deepEqual([...rates!, ...constant!], [0.75, 0.75, 1, 1, 1]);
    const mean = targets.reduce((sum, value) => sum + value, 0) / targets.length;
    assert.ok(Math.abs(seen![0]! - mean) < 1e-6, `${seen![0]} is the mean target ${mean}`);
    await program.close();
    await engine.close();
  });

  it('have groups that the job file must name right', () => {
    const refused = (algorithm: object, groups: object, message: RegExp) =>
      assert.throws(() => jobFor(algorithm, { meta: { ...meta, groups } }), { code: 'REQUEST_INVALID', message });
    const probe = { name: 'probe', hasRoles: true };
    refused(
      probe,
      { rate: { clipNorm: 1 } },
      /meta\.groups\.rate: got a group without parameters; accepted: model \| rates$/,
    );
    refused({ name: 'maml' }, { rates: {} }, /meta\.groups\.rates: got a group without parameters; accepted: model$/);
    refused(
      probe,
      { rates: { clip: 1 } },
      /meta\.groups\.rates\.clip: got an unknown field; accepted: one of learningRate, clipNorm$/,
    );
    refused(probe, { rates: { learningRate: 0 } }, /meta\.groups\.rates\.learningRate: got 0; accepted: more than 0$/);
    refused(probe, { rates: 3 }, /meta\.groups\.rates: got 3; accepted: a mapping of fields$/);
    refused(probe, [], /meta\.groups: got \[\]; accepted: a mapping of fields$/);
    const schedule = { name: 'step', every: 1, factor: 1e-20 };
    assert.throws(() => jobFor(probe, { meta: { ...meta, schedule, groups: { rates: { learningRate: 1e-30 } } } }), {
      message: /meta\.schedule: got a meta-learning rate of .* at meta-step 3/,
    });
    const { spec } = jobFor(probe, {
      meta: { ...meta, groups: { model: { clipNorm: 2 }, rates: { learningRate: 0.1 } } },
    });
    assert.deepEqual(spec.meta.groups, { model: { clipNorm: 2 }, rates: { learningRate: 0.1 } });
  });

  it('must have names of their own', () => {
    assert.throws(() => jobFor({ name: 'probe', mistake: 'name' }), {
      code: 'REQUEST_INVALID',
      message: /algorithm\.name: got probe, with a parameter "layer1\.weights" of 2 dimensions; accepted: unique names/,
    });
  });
});

describe('adding up the tasks of a procedure', () => {
  it('is in task order, in float32, without tasks that are not finite or take the sum out of range', () => {
    const made = sumOfTasks({
      taskCount: 5,
      contributions: { w: Float32Array.of(3e38, 1, 1e38, 2, Number.NaN, 3, -2e38, 4, 1, 5) },
      measures: { loss: Float32Array.of(1, 1, 1, 1, Number.POSITIVE_INFINITY), accuracy: new Float32Array(5) },
    });
    assert.deepEqual(made.nonFiniteTasks, [1, 2, 4]);
    assert.equal(made.weight, 2);
    assert.deepEqual([...made.vector.w!], [Math.fround(Math.fround(3e38) + Math.fround(-2e38)), 5]);
  });

  it('stacks a first state, and finds a task in it', () => {
    const { w } = repeated({ w: Float32Array.of(1, 2) }, 3);
    assert.deepEqual([...w!], [1, 2, 1, 2, 1, 2]);
    assert.deepEqual([...rowOf(Float32Array.of(1, 2, 3, 4), 1, 2)], [3, 4]);
  });
});
