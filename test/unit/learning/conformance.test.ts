// Every algorithm × model × task distribution, from the registry's variants: meta-gradients against finite
// differences on the eager engine, and the compiled engine against the eager one. A new part is covered once
// it is registered.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { TaskFunction } from '../../../learning/built.ts';
import type { ResolvedJob } from '../../../learning/job.ts';
import { statesOf } from '../../../learning/kit/evaluate.ts';
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
  norm,
  openParts,
  type Parts,
  runOnTasks,
  smallJobs,
  trainOnTasks,
} from './small-jobs.ts';

/**
 * Half the distance of a difference. A relu that switches within it bends the difference. Max-pooling
 * of blank paper, with thousands of near ties, bends it at 1e-3 already, and so does a head with
 * weights of deviation 1, whose loss is steep. Rounding, some 1e-7 of a loss near 1, forbids much less
 * than 3e-5.
 */
const reachOf = ({ spec: { model } }: ResolvedJob): number =>
  model.architecture === 'conv4' && (model.downsampling === 'max-pool' || model.headInitialization === 'normal')
    ? 3e-5
    : 1e-3;

/** Of the gradient's norm, which is 2 to 10 in these jobs: 1e-7 / 3e-5, rounded up. */
const differenceTolerance = 5e-3;

/** Relative; the engines add in another order, and two inner steps carry that on. */
const engineTolerance = 1e-4;

/** The derivative that a meta-gradient must have in a direction, from losses alone. */
type Oracle = (job: {
  readonly engine: Engine;
  readonly parts: Parts;
  readonly reach: number;
}) => Promise<(direction: Float32Array) => Promise<number>>;

/** The derivative by θ of the loss that training reports. */
const ofTrainLoss: Oracle = async ({ engine, parts, reach }) => {
  const loss = (params: Float32Array) => trainLoss(engine, parts, params);
  return async (direction) => difference(loss, parts.metaParams, direction, reach);
};

/** Algorithms whose meta-gradient is not the derivative of their training loss by θ, with what it is. */
const oracles: Readonly<Record<string, Oracle>> = {
  maml: async ({ engine, parts, reach }) => {
    const { order, innerSteps } = parts.job.spec.algorithm;
    if (order === 'second') return ofTrainLoss({ engine, parts, reach });
    const adapted = await trajectoryEnd(engine, parts, innerSteps as number);
    const lossAt = (params: Float32Array) => lossOnExamples(engine, parts, params, queryRows(parts));
    return async (direction) => difference(lossAt, adapted, direction, reach);
  },
  reptile: async ({ engine, parts, reach }) => {
    const path = await reptilePath(engine, parts);
    const { innerLearningRate } = parts.job.spec.algorithm;
    return async (direction) => {
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

/** φ after `steps` on the support set, as the algorithm adapts when it is tested. */
async function trajectoryEnd(engine: Engine, parts: Parts, steps: number): Promise<Float32Array> {
  const lastParams: TaskFunction = (theta, task) => {
    let taken = 0;
    for (const params of statesOf(parts.algorithm.adapt, theta, task, {})) {
      if (taken++ === steps) return { sum: params, each: {} };
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

const supportCount = ({ job }: Parts) => job.task.supportExamples;
const exampleCount = ({ job }: Parts) => job.task.supportExamples + job.task.queryExamples;

/** Rows of support and query set together, as numbers. */
const queryRows = (parts: Parts) =>
  Array.from({ length: parts.job.task.queryExamples }, (_, row) => supportCount(parts) + row);

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

  for (const { name, job } of smallJobs) {
    it(`${name}: the meta-gradient is what finite differences say`, async () => {
      const parts = await openParts(job, fixture.directory);
      const { sum: gradient } = await trainOnTasks(eager, parts, parts.metaParams);
      const oracle = oracles[job.algorithm.name] ?? ofTrainLoss;
      const derivative = await oracle({ engine: eager, parts, reach: reachOf(job) });
      for (const direction of directionsFrom(gradient, 1)) {
        const error = Math.abs(dot(gradient, direction) - (await derivative(direction))) / norm(gradient);
        assert.ok(error < differenceTolerance, `differs by ${error} of the gradient's norm`);
      }
    });

    it(`${name}: the compiled engine gives the eager engine's numbers`, async () => {
      const parts = await openParts(job, fixture.directory);
      await assertSameNumbers({ engine: compiled, reference: eager, tolerance: engineTolerance }, parts);
    });
  }
});
