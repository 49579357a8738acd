// Every algorithm × model × task distribution, from the registries: meta-gradients against finite differences on the eager engine, and the compiled
// engine against the eager one. A new entry of a registry is covered once it has a variant in small-jobs.ts, without which nothing compiles.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AlgorithmSpec, ReptileAlgorithmSpec } from '../../../shared/job-spec/algorithm.ts';
import type { ModelSpec } from '../../../shared/job-spec/model.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine, TaskFunction } from '../../../worker/engine/engine.ts';
import { evaluateFunction } from '../../../worker/learning/algorithms/algorithm.ts';
import { lossOf } from '../../../worker/learning/algorithms/learner.ts';
import { buildAlgorithm } from '../../../worker/learning/algorithms/registry.ts';
import { allocateTasks } from '../../../worker/learning/tasks/distribution.ts';
import { type Fixture, smallFixture } from './omniglot-fixture.ts';
import { along, directionsFrom, dot, flat, norm, openParts, type Parts, runOnTasks, smallJobs } from './small-jobs.ts';

/**
 * Half the distance of a difference. A relu that switches within it bends the difference. Max-pooling
 * of blank paper, with thousands of near ties, bends it at 1e-3 already, and so does a head with
 * weights of deviation 1, whose loss is steep. Rounding, some 1e-7 of a loss near 1, forbids much less
 * than 3e-5.
 */
const reachOf = (model: ModelSpec): number =>
  model.architecture === 'conv4' && (model.downsampling === 'max-pool' || model.headInitialization === 'normal')
    ? 3e-5
    : 1e-3;

/** Of the gradient's norm, which is 2 to 10 in these jobs: 1e-7 / 3e-5, rounded up. */
const differenceTolerance = 5e-3;

/** Relative; the engines add in another order, and two inner steps carry that on. */
const engineTolerance = 1e-4;

/** The derivative that a meta-gradient must have in a direction, from losses alone. */
type Oracle<Spec extends AlgorithmSpec> = (job: {
  readonly engine: Engine;
  readonly parts: Parts;
  readonly spec: Spec;
  readonly reach: number;
}) => Promise<(direction: Float32Array) => Promise<number>>;

const oracles: { readonly [Name in AlgorithmSpec['name']]: Oracle<Extract<AlgorithmSpec, { name: Name }>> } = {
  maml: async ({ engine, parts, spec, reach }) => {
    const { metaParams, algorithm } = parts;
    if (spec.order === 'second') {
      const lossAt = (params: Float32Array) => trainLoss(engine, parts, algorithm.train, params);
      return async (direction) => difference(lossAt, metaParams, direction, reach);
    }
    const adapted = await trajectoryEnd(engine, parts, spec.innerSteps);
    const lossAt = (params: Float32Array) => lossOnExamples(engine, parts, params, queryRows(parts));
    return async (direction) => difference(lossAt, adapted, direction, reach);
  },
  reptile: async ({ engine, parts, spec, reach }) => {
    const path = await reptilePath(engine, parts, spec);
    return async (direction) => {
      let sum = 0;
      for (const [step, params] of path.entries()) {
        const loss = (at: Float32Array) => lossOnExamples(engine, parts, at, miniBatchRows(parts, spec, step));
        sum += spec.innerLearningRate * (await difference(loss, params, direction, reach));
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

async function trainLoss(engine: Engine, parts: Parts, train: TaskFunction, params: Float32Array): Promise<number> {
  const { each } = await runOnTasks(engine, parts, train, params);
  return each.loss![0]!;
}

/** φ after `steps` on the support set, as the algorithm adapts when it is tested. */
async function trajectoryEnd(engine: Engine, parts: Parts, steps: number): Promise<Float32Array> {
  const lastParams: TaskFunction = (metaParams, task) => {
    let taken = 0;
    for (const params of parts.algorithm.adapt(metaParams, task))
      if (++taken === steps) return { sum: params, each: {} };
    throw new Error('adapt ended');
  };
  const { sum } = await runOnTasks(engine, parts, lastParams, parts.metaParams);
  return flat(parts.layout, sum);
}

/** φ₀, …, φ_{k−1}: θ less the meta-gradient of so many steps. */
async function reptilePath(engine: Engine, parts: Parts, spec: ReptileAlgorithmSpec): Promise<Float32Array[]> {
  const path = [parts.metaParams];
  for (let innerSteps = 1; innerSteps < spec.innerSteps; innerSteps++) {
    const { train } = buildAlgorithm({ ...spec, innerSteps }, parts.learner);
    const { sum } = await runOnTasks(engine, parts, train, parts.metaParams);
    path.push(along(parts.metaParams, flat(parts.layout, sum), -1));
  }
  return path;
}

const supportCount = (parts: Parts) => parts.distribution.shape.supportExamples;
const exampleCount = (parts: Parts) => supportCount(parts) + parts.distribution.shape.queryExamples;

/** Rows of support and query set together, as numbers. */
const queryRows = (parts: Parts) =>
  Array.from({ length: parts.distribution.shape.queryExamples }, (_, row) => supportCount(parts) + row);

function miniBatchRows(parts: Parts, { innerBatchSize }: ReptileAlgorithmSpec, step: number): number[] {
  const count = exampleCount(parts);
  const size = innerBatchSize ?? count;
  return Array.from({ length: size }, (_, index) => (step * size + index) % count);
}

async function lossOnExamples(
  engine: Engine,
  parts: Parts,
  params: Float32Array,
  rows: readonly number[],
): Promise<number> {
  const { shape } = parts.distribution;
  const task = allocateTasks(shape, 1).task(0);
  parts.distribution.sample('train', 0, task);
  const gather = (support: Float32Array, query: Float32Array) => {
    const both = [...support, ...query];
    const width = both.length / exampleCount(parts);
    return Float32Array.from(rows.flatMap((row) => both.slice(row * width, (row + 1) * width)));
  };
  const program = await engine.compile({
    name: 'loss',
    taskFunction: (metaParams, { inputs, targets }) => ({
      sum: {},
      each: { loss: lossOf(parts.learner, metaParams, { inputs: inputs!, targets: targets as never }) },
    }),
    metaParams: parts.paramSpecs,
    task: {
      inputs: { shape: [rows.length, ...shape.input], dtype: 'float32' },
      targets: { shape: [rows.length, shape.outputs], dtype: 'float32' },
    },
    taskCount: 1,
  });
  const { each } = await program.run(viewsOf(parts.layout, params), {
    inputs: gather(task.supportInputs, task.queryInputs),
    targets: gather(task.supportTargets, task.queryTargets),
  });
  await program.dispose();
  return each.loss![0]!;
}

const relativeError = (actual: ArrayLike<number>, expected: ArrayLike<number>) =>
  norm(Array.from(actual).map((value, index) => value - expected[index]!)) / norm(expected);

describe('every algorithm on every model and task distribution', () => {
  let fixture: Fixture;
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

  for (const job of smallJobs) {
    it(`${job.name}: the meta-gradient is what finite differences say`, async () => {
      const parts = await openParts(job, fixture.directory);
      const { sum } = await runOnTasks(eager, parts, parts.algorithm.train, parts.metaParams);
      const gradient = flat(parts.layout, sum);
      const oracle = oracles[job.algorithm.name] as Oracle<AlgorithmSpec>;
      const derivative = await oracle({ engine: eager, parts, spec: job.algorithm, reach: reachOf(job.model) });
      for (const direction of directionsFrom(gradient, 1)) {
        const error = Math.abs(dot(gradient, direction) - (await derivative(direction))) / norm(gradient);
        assert.ok(error < differenceTolerance, `differs by ${error} of the gradient's norm`);
      }
    });

    it(`${job.name}: the compiled engine gives the eager engine's numbers`, async () => {
      const parts = await openParts(job, fixture.directory);
      const functions = [parts.algorithm.train, evaluateFunction(parts.algorithm, parts.learner, 2)];
      for (const taskFunction of functions) {
        const expected = await runOnTasks(eager, parts, taskFunction, parts.metaParams, 2);
        const actual = await runOnTasks(compiled, parts, taskFunction, parts.metaParams, 2);
        if (taskFunction === parts.algorithm.train) {
          const error = relativeError(flat(parts.layout, actual.sum), flat(parts.layout, expected.sum));
          assert.ok(error < engineTolerance, `meta-gradients differ by ${error}`);
        }
        assert.deepEqual(Object.keys(actual.each).sort(), Object.keys(expected.each).sort());
        for (const name of Object.keys(expected.each)) {
          const [got, wanted] = [actual.each[name]!, expected.each[name]!];
          assert.equal(got.length, wanted.length);
          assert.ok(norm(wanted) === 0 ? norm(got) === 0 : relativeError(got, wanted) < engineTolerance, name);
        }
      }
    });
  }
});
