// Laws that hold for every algorithm × model × task distribution, built in or of another registry: a shard of
// several tasks is the sum of its tasks, one worker and three give the same bytes, a checkpoint continues
// to the same bytes, and a prediction depends on the other queries only where the job says so. The workers
// are programs of engines of their own, in this process; their results are added as the coordinator adds them.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { TaskFunction } from '../../../learning/built.ts';
import type { ResolvedJob } from '../../../learning/job.ts';
import { statesOf } from '../../../learning/kit/evaluate.ts';
import { Training } from '../../../learning/outer-loop/training.ts';
import { builtIn } from '../../../learning/registry.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../../../shared/checkpoint.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import type { JobProgram } from '../../../worker/learning/job-program.ts';
import { openJobProgram, workContext } from '../../../worker/learning/open.ts';
import { programOptions, sharedInputs } from '../../../worker/learning/programs.ts';
import { type Fixture, smallFixture } from './omniglot-fixture.ts';
import { probeRegistry } from './probe.ts';
import {
  jobOf,
  learnsNothing,
  openParts,
  type Parts,
  relativeError,
  type SmallJob,
  smallJobs,
  smallJobsOf,
} from './small-jobs.ts';

/** Relative: a program of several tasks may add in another order than one of one task. */
const tolerance = 1e-4;

const metaSteps = 2;
const shards = 3;

let fixture: Fixture;
/** One engine a worker. */
let engines: readonly Engine[];
before(async () => {
  fixture = smallFixture();
  engines = await Promise.all([0, 1, 2].map(() => createEngine({ engine: 'compiled', device: 'cpu' })));
});
after(async () => {
  fixture.remove();
  for (const engine of engines) await engine.close();
});

/** Jobs of a test's own part, which no built-in job has. */
const others: readonly SmallJob[] = smallJobsOf(probeRegistry).filter(
  ({ job }) => !builtIn.all('algorithm').includes(job.algorithm),
);

const all = [...smallJobs, ...others];
/** Of the built-in algorithms, which all hand the support set's statistics to the model (`kit.stateOf`). */
const inductive = smallJobs.filter(({ job }) => !job.isTransductive);

describe('the laws of every algorithm on every model and task distribution', () => {
  it(`are tried on ${all.length} combinations, ${others.length} of them with a part of another registry`, () => {
    assert.ok(others.length > 1 && all.length > others.length);
  });

  for (const { name, job } of all) {
    it(`${name}: a shard of several tasks is their sum; one worker, three and a checkpoint give the same bytes`, async () => {
      await assertLaws(longer(job));
    });
  }

  for (const { name, job } of inductive) {
    it(`${name}: a prediction does not depend on the other query examples, as the job says`, async () => {
      await assertInductive(await openParts(job, fixture.directory));
    });
  }
});

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

async function assertLaws(job: ResolvedJob): Promise<void> {
  const open = (engine: Engine) =>
    openJobProgram(job.spec, { registry: probeRegistry, dataDirectories: [fixture.directory], engine });
  const workers = await Promise.all(engines.map(open));
  try {
    await assertSumOfTasks(workers[0]!);
    await assertSameBytes(job, workers);
  } finally {
    for (const worker of workers) await worker.close();
  }
}

async function assertSumOfTasks(worker: JobProgram): Promise<void> {
  const { metaParams } = worker.initialize();
  const run = async (firstTask: number, taskCount: number) => ({
    training: await worker.train(metaParams, { metaStep: 0, firstTask, taskCount }),
    evaluation: await worker.evaluate(metaParams, { metaStep: 0, split: 'test', firstTask, taskCount }),
  });
  const whole = await run(0, 3);
  const tasks = [await run(0, 1), await run(1, 1), await run(2, 1)];
  const sum = tasks
    .map(({ training }) => training.metaGradientSum)
    .reduce((a, b) => a.map((value, index) => value + b[index]!));
  assert.ok(relativeError(whole.training.metaGradientSum, sum) < tolerance, 'contributions');
  assert.equal(whole.training.weight, 3);
  for (const work of ['training', 'evaluation'] as const) {
    for (const [index, { name, values }] of whole[work].measures.entries()) {
      const single = tasks.flatMap((task) => task[work].measures[index]!.values);
      assertClose(values, single, `${name} in ${work}`);
    }
  }
}

function assertClose(actual: readonly number[], expected: readonly number[], what: string): void {
  assert.equal(actual.length, expected.length, what);
  const scale = Math.max(...expected.map(Math.abs), 1e-6);
  const error = Math.max(...expected.map((value, index) => Math.abs(value - actual[index]!)));
  assert.ok(error <= tolerance * scale, `${what}: ${actual.join(', ')} instead of ${expected.join(', ')}`);
}

async function assertSameBytes(job: ResolvedJob, workers: readonly JobProgram[]): Promise<void> {
  const alone = await trained(job, workers.slice(0, 1), (training) => training);
  const together = await trained(job, workers, (training) => throughCheckpoint(job, training));
  assert.equal(together.metaParams.step, metaSteps);
  assert.deepEqual(together.metaParams.sha256, alone.metaParams.sha256);
  assert.deepEqual(together.chain, alone.chain);
  const { metaParams } = workers[0]!.initialize();
  if (learnsNothing(job)) assert.deepEqual(alone.metaParams.vector, metaParams, 'a baseline keeps θ');
  else assert.notDeepEqual(alone.metaParams.vector, metaParams, 'training has moved θ');
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

/** The first query example's prediction at the last point of the axis, among all of them and on its own. */
async function assertInductive(parts: Parts): Promise<void> {
  const { job, kit, algorithm } = parts;
  const points = job.measures.evaluate[0]!.points.length;
  const predictions: TaskFunction = (theta, task, step) => {
    let state = theta;
    let taken = 0;
    for (const next of statesOf(algorithm.adapt, theta, task, step)) {
      state = next;
      if (++taken === points) break;
    }
    const inputs = task.queryInputs ?? task.streamInputs!;
    const [, ...rest] = inputs.shape;
    const first = kit.tf.slice(inputs, [0, ...rest.map(() => 0)], [1, ...rest]);
    return {
      sum: {},
      each: { among: algorithm.predict(theta, state, inputs), alone: algorithm.predict(theta, state, first) },
    };
  };
  const { stacked, task } = allocateTasks(job.task, 1);
  parts.tasks.sample('test', 0, task(0));
  const { step } = workContext(job, parts.tasks, engines[0]!);
  const program = await engines[0]!.compile(programOptions(job, predictions, { name: 'predictions', taskCount: 1 }));
  try {
    const { each } = await program.run(sharedInputs(viewsOf(parts.layout, parts.metaParams), step(0)), stacked);
    assertClose([...each.among!.slice(0, job.task.outputs)], [...each.alone!], 'predictions');
  } finally {
    await program.dispose();
  }
}
