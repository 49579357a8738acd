// Adapting and predicting as requests: sequences, an adaptation that is a loop, programs that are
// kept, and what a learner refuses. That a request gets what evaluation reports is tried for every
// combination of parts in `conformance.ts`.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { NamedArrays } from '../../../learning/built.ts';
import type { ResolvedJob } from '../../../learning/job.ts';
import { builtIn } from '../../../learning/registry.ts';
import { supportTensors } from '../../../learning/request-inputs.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { EngineName } from '../../../worker/engine/devices.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { openLearner } from '../../../worker/learning/learner.ts';
import type { LearnerProgram } from '../../../worker/learning/learner-program.ts';
import { type Fixture, smallFixture } from './omniglot-fixture.ts';
import { probeRegistry } from './probe.ts';
import { evaluateOnTasks, jobOf, openParts, type Parts, relativeError, smallJobs } from './small-jobs.ts';

/** Relative: the programs are cut elsewhere, so that sums may be added in another order. */
const tolerance = 1e-4;

let fixture: Fixture;
const engines = {} as Record<EngineName, Engine>;
before(async () => {
  fixture = smallFixture();
  for (const engine of ['eager', 'compiled'] as const) engines[engine] = await createEngine({ engine, device: 'cpu' });
});
after(async () => {
  fixture.remove();
  for (const engine of Object.values(engines)) await engine.close();
});

/** Task 0 of the test split: what a request brings of it, and what it keeps to itself. */
function taskOf({ job, tasks }: Parts) {
  const task = allocateTasks(job.task, 1).task(0);
  tasks.sample('test', 0, task);
  const support = Object.fromEntries(supportTensors(job.task).map((name) => [name, task[name]!]));
  return { support, inputs: task.queryInputs!, targets: task.queryTargets! };
}

async function withLearner<Result>(
  job: ResolvedJob,
  engine: Engine,
  use: (learner: LearnerProgram) => Promise<Result>,
): Promise<Result> {
  const learner = openLearner(job.spec, { registry: builtIn, engine });
  try {
    return await use(learner);
  } finally {
    await learner.close();
    await learner.close();
  }
}

/** Rows `begin` to `end` of arrays with so many rows. */
const rowsOf = (arrays: NamedArrays, rows: number, begin: number, end: number): NamedArrays =>
  Object.fromEntries(
    Object.entries(arrays).map(([name, values]) => {
      const width = values.length / rows;
      return [name, values.subarray(begin * width, end * width)];
    }),
  );

describe('a sequence that is adapted to is read', () => {
  for (const { name, job } of smallJobs.filter(({ job }) => job.task.sets.includes('stream'))) {
    it(`${name}: each example is predicted from those before it as evaluation reports`, async () => {
      const engine = engines.compiled;
      const parts = await openParts(job, fixture.directory);
      const { metaParams } = parts;
      const reported = await evaluateOnTasks(engine, parts, metaParams);
      const { supportExamples: length, outputs: classes } = job.task;
      const task = allocateTasks(job.task, 1).task(0);
      parts.tasks.sample('test', 0, task);
      const point = job.measures.evaluate[0]!.points.length - 1;
      const losses = new Array<number>(point + 1).fill(0);
      const shown = new Array<number>(classes).fill(0);
      await withLearner(job, engine, async (learner) => {
        for (let at = 0; at < length; at++) {
          const { streamInputs: inputs, streamTargets: targets } = rowsOf(task, length, at, at + 1);
          const presentation = shown[targets!.indexOf(1)]!++;
          if (at === 0) continue;
          const adapted = await learner.adapt(metaParams, { support: rowsOf(task, length, 0, at), point });
          const { outputs } = await learner.predict(metaParams, { adapted, inputs: inputs! });
          const exponentials = outputs.map(Math.exp);
          const share = exponentials[targets!.indexOf(1)]! / exponentials.reduce((a, b) => a + b, 0);
          losses[presentation]! -= Math.log(share) / classes;
        }
        const early = { support: rowsOf(task, length, 0, 1), point: 0 };
        await assert.rejects(
          learner.adapt(metaParams, early),
          /point: got 0; accepted: \d: a sequence is read to its end/,
        );
      });
      // nothing can be asked before the first example: the first presentation is left out
      for (const [presentation, loss] of losses.entries()) {
        if (presentation === 0) continue;
        const wanted = reported.loss![presentation]!;
        assert.ok(
          Math.abs(loss - wanted) < tolerance * wanted,
          `${presentation}: ${loss}, evaluation reports ${wanted}`,
        );
      }
    });
  }
});

it('an adaptation that is a loop is looped here too', async () => {
  const task = { distribution: 'sinusoid', shots: 4 };
  const job = jobOf(task, { architecture: 'mlp', hiddenLayers: [6] }, { name: 'probe' }, probeRegistry);
  const parts = await openParts(job, '');
  const { support } = taskOf(parts);
  const states = async (algorithm: object) => {
    const { spec } = jobOf(task, { architecture: 'mlp', hiddenLayers: [6] }, algorithm, probeRegistry);
    const learner = openLearner(spec, { registry: probeRegistry, engine: engines.compiled });
    const adapted = await Promise.all([0, 1, 2].map((point) => learner.adapt(parts.metaParams, { support, point })));
    await learner.close();
    return adapted.map(({ layout, state }) => viewsOf(layout, state));
  };
  const looped = await states({ name: 'probe' });
  const traced = await states({ name: 'maml', innerLearningRate: 0.1 });
  for (const [point, state] of looped.entries()) {
    for (const [name, values] of Object.entries(state)) {
      assert.ok(relativeError(values, traced[point]![name]!) < 1e-5 || Math.hypot(...values) === 0, name);
    }
  }
  assert.notDeepEqual(looped[1], looped[2]);
});

describe('a learner', () => {
  const job = jobOf(
    { distribution: 'sinusoid', shots: 5 },
    { architecture: 'mlp', hiddenLayers: [4] },
    { name: 'maml', innerSteps: 1, innerLearningRate: 0.01 },
  );
  const metaParams = Float32Array.from({ length: job.parameterCount }, (_, i) => Math.sin(i + 1));
  const support = (examples: number) => ({
    supportInputs: Float32Array.from({ length: examples }, (_, i) => i / 4),
    supportTargets: Float32Array.from({ length: examples }, (_, i) => Math.sin(i / 4)),
  });
  const inputs = Float32Array.of(0.5, 1);

  it('adapts to as many examples as come, and predicts from as many inputs', async () => {
    await withLearner(job, engines.compiled, async (learner) => {
      for (const examples of [1, 5, 7]) {
        const adapted = await learner.adapt(metaParams, { support: support(examples), point: 1 });
        assert.deepEqual(
          adapted.layout.tensors.map(({ name, shape }) => ({ name, shape })),
          job.parameters.map(({ name, shape }) => ({ name, shape })),
        );
        assert.notDeepEqual(adapted.state, metaParams);
        const { shape } = await learner.predict(metaParams, { adapted, inputs });
        assert.deepEqual(shape, [2, 1]);
      }
    });
  });

  it('gives the state before any step as it is', async () => {
    for (const engine of Object.values(engines)) {
      await withLearner(job, engine, async (learner) => {
        const { state } = await learner.adapt(metaParams, { support: support(5), point: 0 });
        assert.deepEqual(state, metaParams);
      });
    }
  });

  it('keeps the newest programs alone, and compiles an equal request once', async () => {
    let [compiled, disposed] = [0, 0];
    const counting: Engine = {
      ...engines.compiled,
      compile: async (options) => {
        compiled += 1;
        const program = await engines.compiled.compile(options);
        const dispose = async () => {
          disposed += 1;
          await program.dispose();
        };
        return { ...program, dispose };
      },
    };
    await withLearner(job, counting, async (learner) => {
      for (let i = 0; i < 2; i++) await learner.adapt(metaParams, { support: support(5), point: 1 });
      assert.equal(compiled, 1);
      for (let examples = 6; examples < 15; examples++)
        await learner.adapt(metaParams, { support: support(examples), point: 1 });
      assert.deepEqual([compiled, disposed], [10, 2]);
    });
    assert.equal(disposed, 10);
  });

  it('refuses what it cannot take, and names it', async () => {
    await withLearner(job, engines.compiled, async (learner) => {
      const adapt = (arrays: Record<string, Float32Array>, point = 1) =>
        learner.adapt(metaParams, { support: arrays, point });
      const { supportInputs, supportTargets } = support(3);
      await assert.rejects(adapt({ supportInputs }), /support: got supportInputs; accepted: supportInputs, supportT/);
      await assert.rejects(adapt({ ...support(3), queryInputs: inputs }), /support: got .*queryInputs/);
      await assert.rejects(
        adapt({ supportInputs, supportTargets: supportTargets.slice(1) }),
        /support\.supportTargets: got 2 examples; accepted: 3/,
      );
      await assert.rejects(adapt(support(0)), /supportInputs: got 0 numbers/);
      await assert.rejects(adapt(support(3), 3), /point: got 3; accepted: 0 to 2/);
      const adapted = await adapt(support(3));
      const predict = (state: object, at = inputs) =>
        learner.predict(metaParams, { adapted: { ...adapted, ...state }, inputs: at });
      await assert.rejects(predict({}, new Float32Array(0)), /inputs: got 0 numbers/);
      await assert.rejects(predict({ state: new Float32Array(3) }), /state: got 3 numbers; accepted: 13/);
      const foreign = { layout: { tensors: [{ name: 'w', shape: [13] }] } };
      await assert.rejects(predict(foreign), { code: 'REQUEST_INVALID', message: /state: got w \[13\]; accepted/ });
    });
  });

  it('says that the mathematics failed where the adapted state is not finite', async () => {
    await withLearner(job, engines.compiled, async (learner) => {
      const far = { ...support(3), supportTargets: Float32Array.of(1e38, -1e38, 3e38) };
      await assert.rejects(learner.adapt(metaParams, { support: far, point: 2 }), { code: 'RESULT_NOT_FINITE' });
    });
  });
});
