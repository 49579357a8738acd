// What every algorithm × model × task distribution must do, from the registry's variants: a new
// part is covered once it is registered. The compiled engine gives the eager engine's numbers, the
// meta-gradient is what finite differences say, a shard of several tasks is the sum of its tasks,
// one worker and two give the same bytes, a checkpoint continues to the same bytes, a request gets
// what evaluation reports, and a prediction depends on the other queries only where the job says
// so. Workers are programs of engines of their own, in this process; their results are added as the
// coordinator adds them. Compiling takes nearly all of the time, so the tests of a combination
// share its programs.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { NamedTensors, TaskFunction } from '../../../learning/built.ts';
import type { TaskFacts } from '../../../learning/facts.ts';
import type { ResolvedJob } from '../../../learning/job.ts';
import { evaluateFunction, statesOf } from '../../../learning/kit/evaluate.ts';
import { Training } from '../../../learning/outer-loop/training.ts';
import { builtIn } from '../../../learning/registry.ts';
import { supportTensors } from '../../../learning/request-inputs.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../../../shared/checkpoint.ts';
import type { MeasureRows } from '../../../shared/measures.ts';
import { elementsOf, viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { allocateTasks, specsOf } from '../../../worker/learning/arrays.ts';
import type { JobProgram } from '../../../worker/learning/job-program.ts';
import { openLearner } from '../../../worker/learning/learner.ts';
import { openJobProgram } from '../../../worker/learning/open.ts';
import { type Fixture, smallFixture } from './omniglot-fixture.ts';
import { probeRegistry } from './probe.ts';
import {
  along,
  directionsFrom,
  dot,
  flat,
  jobOf,
  learnsNothing,
  norm,
  openParts,
  type Parts,
  relativeError,
  runOnTasks,
  type SmallJob,
  smallJobs,
  smallJobsOf,
  trainOnTasks,
} from './small-jobs.ts';

/**
 * Half the distances of the differences that are tried. A relu that switches within one bends it,
 * the more so the steeper the loss, as with max-pooling of blank paper and its thousands of near
 * ties; rounding, some 1e-7 of a loss near 1, forbids much less than 3e-5. A wrong gradient agrees
 * with none of them.
 */
const reaches = [1e-3, 2e-4, 1e-4, 3e-5] as const;

/** Of the gradient's norm, which is 2 to 10 in these jobs: 1e-7 / 3e-5, rounded up. */
const differenceTolerance = 5e-3;

/**
 * Relative: engines, and programs that are cut elsewhere, add in another order, and two inner steps
 * carry that on.
 */
const tolerance = 1e-4;

const metaSteps = 2;
const shards = 3;
/** Tasks of a shard that is compared with its tasks. */
const several = 2;

let fixture: Fixture;
let eager: Engine;
/** One engine a worker. */
let compiled: readonly Engine[];

/** Jobs of a test's own part, which no built-in job has. */
const others = smallJobsOf(probeRegistry).filter(({ job }) => !builtIn.all('algorithm').includes(job.algorithm));

/** The combinations whose tasks have inputs of the kind. */
export const combinationsOf = (kind: TaskFacts['inputKind']): SmallJob[] =>
  [...smallJobs, ...others].filter(({ job }) => job.task.inputKind === kind);

export function describeConformance(kind: TaskFacts['inputKind']): void {
  before(async () => {
    fixture = smallFixture();
    eager = await createEngine({ engine: 'eager', device: 'cpu' });
    compiled = await Promise.all([0, 1].map(() => createEngine({ engine: 'compiled', device: 'cpu' })));
  });
  after(async () => {
    fixture.remove();
    for (const engine of [eager, ...compiled]) await engine.close();
  });
  for (const { name, job } of combinationsOf(kind)) describe(name, () => describeJob(longer(job)));
}

/** The job with meta-steps enough for a checkpoint in between, each of three shards of one task. */
function longer(job: ResolvedJob): ResolvedJob {
  const { task, model, algorithm } = job.spec;
  // a baseline's job says that it has one meta-step; more must change nothing
  const iterations = learnsNothing(job) ? 1 : metaSteps;
  return jobOf(task, model, algorithm, probeRegistry, {
    meta: { iterations, batchSize: shards },
    placement: { shardSize: 1 },
  });
}

function describeJob(job: ResolvedJob): void {
  let workers: readonly JobProgram[];
  let parts: Parts;
  const open = (engine: Engine) =>
    openJobProgram(job.spec, { registry: probeRegistry, dataDirectories: [fixture.directory], engine });
  before(async () => {
    workers = await Promise.all(compiled.map(open));
    parts = await openParts(job, fixture.directory);
  });
  after(async () => {
    for (const worker of workers) await worker.close();
  });

  it("the compiled engine gives the eager engine's numbers", async () => {
    const reference = await open(eager);
    const [actual, expected] = [await runShards(workers[0]!, 0, several), await runShards(reference, 0, several)];
    await reference.close();
    const error = relativeError(actual.training.metaGradientSum, expected.training.metaGradientSum);
    assert.ok(error < tolerance, `meta-gradients differ by ${error}`);
    for (const work of works) assertSameMeasures(actual[work].measures, expected[work].measures, work);
  });

  it('the meta-gradient is what finite differences say', async () => {
    const gradient = gradientOf(job, (await workers[0]!.train(parts.metaParams, firstTask)).metaGradientSum);
    if (learnsNothing(job)) {
      assert.equal(norm(gradient), 0);
      return;
    }
    const derivative = await (oracles[job.algorithm.name] ?? usualOracle(job))(parts, workers[0]!);
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

  it('a shard of several tasks is their sum', async () => {
    const whole = await runShards(workers[0]!, 0, several);
    const tasks = [await runShards(workers[0]!, 0, 1), await runShards(workers[0]!, 1, 1)];
    const sum = tasks
      .map(({ training }) => training.metaGradientSum)
      .reduce((a, b) => a.map((value, index) => value + b[index]!));
    assert.ok(relativeError(whole.training.metaGradientSum, sum) < tolerance, 'contributions');
    assert.equal(whole.training.weight, several);
    for (const work of works) {
      const single = whole[work].measures.map(({ name }, index) => ({
        name,
        values: tasks.flatMap((task) => task[work].measures[index]!.values),
      }));
      assertSameMeasures(whole[work].measures, single, work);
    }
  });

  it('one worker, two and a checkpoint give the same bytes', async () => {
    const alone = await trained(job, workers.slice(0, 1), (training) => training);
    const together = await trained(job, workers, (training) => throughCheckpoint(job, training));
    assert.equal(together.metaParams.step, metaSteps);
    assert.deepEqual(together.metaParams.sha256, alone.metaParams.sha256);
    assert.deepEqual(together.chain, alone.chain);
    const { metaParams } = workers[0]!.initialize();
    if (learnsNothing(job)) assert.deepEqual(alone.metaParams.vector, metaParams, 'a baseline keeps θ');
    else assert.notDeepEqual(alone.metaParams.vector, metaParams, 'training has moved θ');
  });

  it(`a request gets what evaluation reports${job.isTransductive ? '' : ', for each query apart, as the job says'}`, async () => {
    await assertRequests(parts, workers[0]!);
  });
}

const works = ['training', 'evaluation'] as const;
const firstTask = { metaStep: 0, firstTask: 0, taskCount: 1 } as const;

/** Tasks of the training split, and of the test split, as a shard of training and one of evaluation. */
async function runShards(worker: JobProgram, firstTask: number, taskCount: number) {
  const { metaParams } = worker.initialize();
  return {
    training: await worker.train(metaParams, { metaStep: 0, firstTask, taskCount }),
    evaluation: await worker.evaluate(metaParams, { metaStep: 0, split: 'test', firstTask, taskCount }),
  };
}

function assertSameMeasures(actual: readonly MeasureRows[], expected: readonly MeasureRows[], work: string): void {
  const names = (measures: readonly MeasureRows[]) => measures.map(({ name }) => name);
  assert.deepEqual(names(actual), names(expected));
  for (const [index, { name, values }] of actual.entries()) {
    assertClose(values, expected[index]!.values, `${name} in ${work}`);
  }
}

function assertClose(actual: readonly number[], expected: readonly number[], what: string): void {
  assert.equal(actual.length, expected.length, what);
  const scale = Math.max(...expected.map(Math.abs), 1e-6);
  const error = Math.max(...expected.map((value, index) => Math.abs(value - actual[index]!)));
  assert.ok(error <= tolerance * scale, `${what}: ${actual.join(', ')} instead of ${expected.join(', ')}`);
}

/** The derivative that a meta-gradient must have in a direction, from losses alone. */
type Oracle = (
  parts: Parts,
  worker: JobProgram,
) => Promise<(direction: Float32Array, reach: number) => Promise<number>>;

/** The derivative by θ of the loss that training reports. */
const ofTrainLoss: Oracle = async (parts, worker) => {
  const loss = async (params: Float32Array) => {
    const { measures } = await worker.train(params, firstTask);
    return measures.find(({ name }) => name === 'loss')!.values[0]!;
  };
  return async (direction, reach) => difference(loss, parts.metaParams, direction, reach);
};

/** Of the query loss by the adapted parameters: what `order: first` takes. */
const ofAdaptedLoss: Oracle = async (parts) => {
  const adapted = await trajectoryEnd(parts, parts.job.spec.algorithm.innerSteps as number);
  const beforeAnyStep = evaluateFunction(parts.algorithm, parts.kit, { points: 1 });
  const loss = async (params: Float32Array) => (await runOnTasks(eager, parts, beforeAnyStep, params)).each.loss![0]!;
  return async (direction, reach) => difference(loss, adapted, direction, reach);
};

const usualOracle = ({ spec }: ResolvedJob): Oracle => (spec.algorithm.order === 'first' ? ofAdaptedLoss : ofTrainLoss);

/**
 * Algorithms whose contribution is no gradient of the loss that they report, with the derivative
 * that it equals.
 */
const oracles: Readonly<Record<string, Oracle>> = {
  probe: ofAdaptedLoss,
  reptile: async (parts) => {
    const path = await reptilePath(parts);
    const { innerLearningRate } = parts.job.spec.algorithm;
    return async (direction, reach) => {
      let sum = 0;
      for (const [step, params] of path.entries()) {
        const loss = (at: Float32Array) => lossOnExamples(parts, at, miniBatchRows(parts, step));
        sum += (innerLearningRate as number) * (await difference(loss, params, direction, reach));
      }
      return sum;
    };
  },
};

/** A contribution with 0 for running statistics, which are averaged and no gradient. */
function gradientOf({ running }: ResolvedJob, contribution: Float32Array): Float32Array {
  const averaged = running.reduce((sum, { shape }) => sum + elementsOf(shape), 0);
  return contribution.slice().fill(0, contribution.length - averaged);
}

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

/** The state's tensors that are parameters. */
const parametersOf = (theta: NamedTensors, state: NamedTensors): NamedTensors =>
  Object.fromEntries(Object.keys(theta).map((name) => [name, state[name]!]));

/** φ after `steps` on the support set, as the algorithm adapts when it is tested. */
async function trajectoryEnd(parts: Parts, steps: number): Promise<Float32Array> {
  const lastParams: TaskFunction = (theta, task) => {
    let taken = 0;
    for (const state of statesOf(parts.algorithm.adapt, theta, task, {})) {
      if (taken++ === steps) return { sum: parametersOf(theta, state), each: {} };
    }
    throw new Error('adapt ended');
  };
  const { sum } = await runOnTasks(eager, parts, lastParams, parts.metaParams);
  return flat(parts.layout, sum);
}

/** φ₀, …, φ_{k−1}: θ less the meta-gradient of so many steps. */
async function reptilePath(parts: Parts): Promise<Float32Array[]> {
  const { task, model, algorithm } = parts.job.spec;
  const path = [parts.metaParams];
  for (let innerSteps = 1; innerSteps < (algorithm.innerSteps as number); innerSteps++) {
    const shorter = await openParts(jobOf(task, model, { ...algorithm, innerSteps }), fixture.directory);
    const { sum } = await trainOnTasks(eager, shorter, parts.metaParams);
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

async function lossOnExamples(parts: Parts, params: Float32Array, rows: readonly number[]): Promise<number> {
  const { task: facts, parameters } = parts.job;
  const task = allocateTasks(facts, 1).task(0);
  parts.tasks.sample('train', 0, task);
  const gather = (support: Float32Array, query: Float32Array) => {
    const both = [...support, ...query];
    const width = both.length / exampleCount(parts);
    return Float32Array.from(rows.flatMap((row) => both.slice(row * width, (row + 1) * width)));
  };
  const program = await eager.compile({
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

/** Shard s of each meta-step is computed by worker s mod n, and the results arrive last shard first. */
async function trained(
  job: ResolvedJob,
  workers: readonly JobProgram[],
  betweenSteps: (training: Training) => Training,
): Promise<Training> {
  const { layout, metaParams } = workers[0]!.initialize();
  let training = Training.begin(job, layout, metaParams);
  for (let metaStep = 0; metaStep < metaSteps; metaStep++) {
    if (metaStep > 0) training = betweenSteps(training);
    for (let shard = shards - 1; shard >= 0; shard--) {
      const work = { metaStep, firstTask: metaStep * shards + shard, taskCount: 1 };
      const result = await workers[shard % workers.length]!.train(training.metaParams.vector, work);
      training.keepTrainResult(shard, shards, { ...result, taskCount: 1 });
    }
    training.applyMetaStep(metaSteps, job.measures.train);
  }
  return training;
}

/** Written to a file's bytes and read again. */
function throughCheckpoint(job: ResolvedJob, training: Training): Training {
  const { layout, metaParams, slots, chain, skippedTasks } = training.snapshot();
  const metadata = {
    jobId: 'a-job',
    spec: JSON.stringify(job.spec),
    step: metaParams.step,
    nextTask: metaParams.step * shards,
    paramsSha256: metaParams.sha256.toString('hex'),
    chainSha256: chain.toString('hex'),
    previousSha256: '',
    engineFingerprint: '',
    skippedTasks,
  };
  const bytes = encodeCheckpoint({ metadata, layout, metaParams: metaParams.vector, slots });
  const read = decodeCheckpoint(Buffer.concat(bytes), 'a checkpoint');
  return Training.restore(job, {
    layout: read.layout,
    metaParams: {
      step: read.metadata.step,
      vector: read.metaParams,
      sha256: Buffer.from(read.metadata.paramsSha256, 'hex'),
    },
    slots: read.slots,
    chain: Buffer.from(read.metadata.chainSha256, 'hex'),
    skippedTasks: read.metadata.skippedTasks,
  });
}

/** Task 0 of the test split, adapted to as far as evaluation does, and predicted from. */
async function assertRequests(parts: Parts, worker: JobProgram): Promise<void> {
  const { job, tasks } = parts;
  const { measures } = await worker.evaluate(parts.metaParams, { ...firstTask, split: 'test' });
  const task = allocateTasks(job.task, 1).task(0);
  tasks.sample('test', 0, task);
  const support = Object.fromEntries(supportTensors(job.task).map((name) => [name, task[name]!]));
  // a sequence has no queries: how its examples are predicted is in adapt-predict.test.ts
  const inputs = task.queryInputs ?? task.streamInputs!;
  const examples = task.queryInputs ? job.task.queryExamples : job.task.supportExamples;
  const point = job.measures.evaluate[0]!.points.length - 1;
  const learner = openLearner(job.spec, { registry: probeRegistry, engine: compiled[0]! });
  try {
    const adapted = await learner.adapt(parts.metaParams, { support, point });
    const predict = (rows: Float32Array) => learner.predict(parts.metaParams, { adapted, inputs: rows });
    const { shape, outputs } = await predict(inputs);
    assert.deepEqual(shape, [examples, job.task.outputs]);
    if (task.queryTargets) await assertReported(parts, { measures, point, outputs, targets: task.queryTargets });
    if (job.isTransductive) return;
    const first = await predict(inputs.slice(0, inputs.length / examples));
    assertClose([...first.outputs], [...outputs.slice(0, job.task.outputs)], 'predictions');
  } finally {
    await learner.close();
  }
}

interface Reported {
  readonly measures: readonly MeasureRows[];
  readonly point: number;
  readonly outputs: Float32Array;
  readonly targets: Float32Array;
}

async function assertReported(parts: Parts, { measures, point, outputs, targets }: Reported): Promise<void> {
  const measured = await measuresOf(parts, outputs, targets);
  // those of the queries; others need inputs that are no query
  const known = measures.filter(({ name }) => Object.hasOwn(measured, name));
  assert.deepEqual(
    known.map(({ name }) => name),
    parts.job.measures.train.map(({ name }) => name),
  );
  for (const { name, values } of known) {
    const [got, reported] = [measured[name]![0]!, values[point]!];
    const error = Math.abs(got - reported) / Math.max(Math.abs(reported), 1e-3);
    assert.ok(error < tolerance, `${name}: ${got}, evaluation reports ${reported}`);
  }
}

async function measuresOf({ job, kit }: Parts, outputs: Float32Array, targets: Float32Array) {
  const shape = [job.task.queryExamples, job.task.outputs];
  const program = await eager.compile({
    name: 'measures',
    taskFunction: (_, { outputs, targets }) => ({ sum: {}, each: kit.measure(outputs as never, targets as never) }),
    metaParams: {},
    task: specsOf([
      { name: 'outputs', shape },
      { name: 'targets', shape },
    ]),
    taskCount: 1,
  });
  return (await program.run({}, { outputs, targets })).each;
}
