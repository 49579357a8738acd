// Every algorithm × model × task distribution, from the registry's variants: meta-gradients against finite
// differences on the eager engine, and the compiled engine against the eager one. A new part is covered once
// it is registered. Which variants meet is said in `small-jobs.ts`.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { NamedTensors, TaskFunction } from '../../../learning/built.ts';
import type { ResolvedJob } from '../../../learning/job.ts';
import { evaluateFunction, statesOf } from '../../../learning/kit/evaluate.ts';
import { builtIn } from '../../../learning/registry.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { allocateTasks, specsOf } from '../../../worker/learning/arrays.ts';
import { type Fixture, smallFixture } from './omniglot-fixture.ts';
import {
  along,
  assertSameNumbers,
  directionsFrom,
  dot,
  flat,
  jobOf,
  learnsNothing,
  norm,
  openParts,
  type Parts,
  runOnTasks,
  smallJobs,
  trainOnTasks,
} from './small-jobs.ts';

/**
 * Half the distances of the differences that are tried. A relu that switches within one bends it, the more
 * so the steeper the loss, as with max-pooling of blank paper and its thousands of near ties; rounding, some
 * 1e-7 of a loss near 1, forbids much less than 3e-5. A wrong gradient agrees with none of them.
 */
const reaches = [1e-3, 2e-4, 3e-5] as const;

/** Of the gradient's norm, which is 2 to 10 in these jobs: 1e-7 / 3e-5, rounded up. */
const differenceTolerance = 5e-3;

/** Relative; the engines add in another order, and two inner steps carry that on. */
const engineTolerance = 1e-4;

/** The derivative that a meta-gradient must have in a direction, from losses alone. */
type Oracle = (job: {
  readonly engine: Engine;
  readonly parts: Parts;
}) => Promise<(direction: Float32Array, reach: number) => Promise<number>>;

/** The derivative by θ of the loss that training reports. */
const ofTrainLoss: Oracle = async ({ engine, parts }) => {
  const loss = (params: Float32Array) => trainLoss(engine, parts, params);
  return async (direction, reach) => difference(loss, parts.metaParams, direction, reach);
};

/** Of the query loss by the adapted parameters: what `order: first` takes. */
const ofAdaptedLoss: Oracle = async ({ engine, parts }) => {
  const adapted = await trajectoryEnd(engine, parts, parts.job.spec.algorithm.innerSteps as number);
  const beforeAnyStep = evaluateFunction(parts.algorithm, parts.kit, { points: 1 });
  const loss = async (params: Float32Array) => (await runOnTasks(engine, parts, beforeAnyStep, params)).each.loss![0]!;
  return async (direction, reach) => difference(loss, adapted, direction, reach);
};

const usualOracle = ({ spec }: ResolvedJob): Oracle => (spec.algorithm.order === 'first' ? ofAdaptedLoss : ofTrainLoss);

/** Algorithms whose contribution is no gradient, with the derivative that it equals. */
const oracles: Readonly<Record<string, Oracle>> = {
  reptile: async ({ engine, parts }) => {
    const path = await reptilePath(engine, parts);
    const { innerLearningRate } = parts.job.spec.algorithm;
    return async (direction, reach) => {
      let sum = 0;
      for (const [step, params] of path.entries()) {
        const loss = (at: Float32Array) => lossOnExamples(engine, parts, at, miniBatchRows(parts, step));
        sum += (innerLearningRate as number) * (await difference(loss, params, direction, reach));
      }
      return sum;
    };
  },
};

async function difference(
  loss: (params: Float32Array) => Promise<number>,
  at: Float32Array,
  direction: Float32Array,
  reach: number,
): Promise<number> {
  const ahead = await loss(along(at, direction, reach));
  const behind = await loss(along(at, direction, -reach));
  return (ahead - behind) / (2 * reach);
}

async function trainLoss(engine: Engine, parts: Parts, params: Float32Array): Promise<number> {
  const { each } = await trainOnTasks(engine, parts, params);
  return each.loss![0]!;
}

/** The state's tensors that are parameters. */
const parametersOf = (theta: NamedTensors, state: NamedTensors): NamedTensors =>
  Object.fromEntries(Object.keys(theta).map((name) => [name, state[name]!]));

/** φ after `steps` on the support set, as the algorithm adapts when it is tested. */
async function trajectoryEnd(engine: Engine, parts: Parts, steps: number): Promise<Float32Array> {
  const lastParams: TaskFunction = (theta, task) => {
    let taken = 0;
    for (const state of statesOf(parts.algorithm.adapt, theta, task, {})) {
      if (taken++ === steps) return { sum: parametersOf(theta, state), each: {} };
    }
    throw new Error('adapt ended');
  };
  const { sum } = await runOnTasks(engine, parts, lastParams, parts.metaParams);
  return flat(parts.layout, sum);
}

/** φ₀, …, φ_{k−1}: θ less the meta-gradient of so many steps. */
async function reptilePath(engine: Engine, parts: Parts): Promise<Float32Array[]> {
  const { task, model, algorithm } = parts.job.spec;
  const path = [parts.metaParams];
  for (let innerSteps = 1; innerSteps < (algorithm.innerSteps as number); innerSteps++) {
    const shorter = await openParts(jobOf(task, model, { ...algorithm, innerSteps }), fixture.directory);
    const { sum } = await trainOnTasks(engine, shorter, parts.metaParams);
    path.push(along(parts.metaParams, sum, -1));
  }
  return path;
}

const exampleCount = ({ job }: Parts) => job.task.supportExamples + job.task.queryExamples;

/** Rows of support and query set together, as numbers. */
function miniBatchRows(parts: Parts, step: number): number[] {
  const count = exampleCount(parts);
  const { innerBatchSize } = parts.job.spec.algorithm;
  const size = (innerBatchSize as number | undefined) ?? count;
  return Array.from({ length: size }, (_, index) => (step * size + index) % count);
}

async function lossOnExamples(
  engine: Engine,
  parts: Parts,
  params: Float32Array,
  rows: readonly number[],
): Promise<number> {
  const { task: facts, parameters } = parts.job;
  const task = allocateTasks(facts, 1).task(0);
  parts.tasks.sample('train', 0, task);
  const gather = (support: Float32Array, query: Float32Array) => {
    const both = [...support, ...query];
    const width = both.length / exampleCount(parts);
    return Float32Array.from(rows.flatMap((row) => both.slice(row * width, (row + 1) * width)));
  };
  const program = await engine.compile({
    name: 'loss',
    taskFunction: (metaParams, { inputs, targets }) => ({
      sum: {},
      each: { loss: parts.kit.lossOf(metaParams, { inputs: inputs!, targets: targets as never }) },
    }),
    metaParams: specsOf(parameters),
    task: {
      inputs: { shape: [rows.length, ...facts.input], dtype: 'float32' },
      targets: { shape: [rows.length, facts.outputs], dtype: 'float32' },
    },
    taskCount: 1,
  });
  const { each } = await program.run(viewsOf(parts.layout, params), {
    inputs: gather(task.supportInputs!, task.queryInputs!),
    targets: gather(task.supportTargets!, task.queryTargets!),
  });
  await program.dispose();
  return each.loss![0]!;
}

let fixture: Fixture;

describe('every algorithm on every model and task distribution', () => {
  let eager: Engine;
  let compiled: Engine;
  before(async () => {
    fixture = smallFixture();
    eager = await createEngine({ engine: 'eager', device: 'cpu' });
    compiled = await createEngine({ engine: 'compiled', device: 'cpu' });
  });
  after(async () => {
    fixture.remove();
    await eager.close();
    await compiled.close();
  });

  it(`takes ${smallJobs.length} combinations, every part of the registry among them`, () => {
    const tried = new Set(smallJobs.flatMap(({ job }) => [job.algorithm, job.model, job.trained.distribution]));
    const parts = [...builtIn.all('algorithm'), ...builtIn.all('model'), ...builtIn.all('distribution')];
    assert.deepEqual(
      parts.filter((part) => !tried.has(part)).map(({ name }) => name),
      [],
    );
  });

  for (const { name, job } of smallJobs) {
    it(`${name}: the meta-gradient is what finite differences say`, async () => {
      const parts = await openParts(job, fixture.directory);
      const { sum: gradient } = await trainOnTasks(eager, parts, parts.metaParams);
      if (learnsNothing(job)) {
        assert.equal(norm(gradient), 0);
        return;
      }
      const oracle = oracles[job.algorithm.name] ?? usualOracle(job);
      const derivative = await oracle({ engine: eager, parts });
      for (const direction of directionsFrom(gradient, 1)) {
        let error = Number.POSITIVE_INFINITY;
        for (const reach of reaches) {
          const expected = await derivative(direction, reach);
          error = Math.min(error, Math.abs(dot(gradient, direction) - expected) / norm(gradient));
          if (error < differenceTolerance) break;
        }
        assert.ok(error < differenceTolerance, `differs by ${error} of the gradient's norm`);
      }
    });

    it(`${name}: the compiled engine gives the eager engine's numbers`, async () => {
      const parts = await openParts(job, fixture.directory);
      await assertSameNumbers({ engine: compiled, reference: eager, tolerance: engineTolerance }, parts);
    });
  }
});
