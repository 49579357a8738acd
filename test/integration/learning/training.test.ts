// Learning, in one process: the coordinator's meta-step over the worker's job program makes adaptation work on tasks that training never saw.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resolveJob } from '../../../learning/job.ts';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { summariseMeasures } from '../../../learning/outer-loop/evaluation-summary.ts';
import { Training } from '../../../learning/outer-loop/training.ts';
import { builtIn } from '../../../learning/registry.ts';
import type { JobSpec } from '../../../shared/job-spec/index.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import { openJobProgram } from '../../../worker/learning/open.ts';
import { omniglotDirectory, withoutOmniglot } from '../../support/needs.ts';

/** Trains by the spec, each meta-batch one shard, then evaluates: mean over the test tasks after 0, 1, … inner steps. */
async function train(spec: JobSpec, dataDirectories: readonly string[] = []) {
  const engine = await createEngine(spec.placement);
  try {
    const program = await openJobProgram(spec, { registry: builtIn, dataDirectories, engine });
    const { layout, metaParams } = program.initialize();
    const job = resolveJob(spec, builtIn);
    const training = Training.begin(job, layout, metaParams);
    const { iterations, batchSize: taskCount } = spec.meta;
    for (let metaStep = 0; metaStep < iterations; metaStep++) {
      const shard = { metaStep, firstTask: metaStep * taskCount, taskCount };
      const result = await program.train(training.metaParams.vector, shard);
      training.keepTrainResult(0, 1, { ...result, taskCount });
      training.applyMetaStep(iterations, job.measures.train);
    }
    const { tasks, split } = spec.evaluation;
    const shard = { metaStep: iterations, split, firstTask: 0, taskCount: tasks };
    const { measures } = await program.evaluate(training.metaParams.vector, shard);
    await program.close();
    const summed = summariseMeasures([measures], job.measures.evaluate).measures;
    const means = (wanted: string) =>
      summed.find(({ name }) => name === wanted)?.estimates.map(({ mean }) => mean) ?? [];
    return { loss: means('loss'), accuracy: means('accuracy') };
  } finally {
    await engine.close();
  }
}

const adam = { name: 'adam', learningRate: 0.005 };

describe('meta-training', () => {
  const sinusoid = {
    name: 'sinusoid',
    task: { distribution: 'sinusoid', shots: 5 },
    model: { architecture: 'mlp' },
    evaluation: { tasks: 200, innerSteps: 5 },
  };

  it('with MAML makes five steps on five points of a new sinusoid halve the loss of one that cannot adapt', async () => {
    const algorithm = { name: 'maml', innerLearningRate: 0.01 };
    const meta = { iterations: 1000, batchSize: 25, optimizer: adam, schedule: { name: 'cosine' }, clipNorm: 2 };
    const { loss } = await train(parseJobSpec(JSON.stringify({ ...sinusoid, algorithm, meta })));
    assert.ok(loss[5]! < loss[0]! / 2, `loss by inner step: ${loss.join(', ')}`);
  });

  it('with Reptile does so too, on mini-batches of fifty points', async () => {
    const task = { distribution: 'sinusoid', shots: 10, queries: 40 };
    const model = { architecture: 'mlp', hiddenLayers: [32, 32], activation: 'tanh' };
    const algorithm = { name: 'reptile', innerSteps: 5, innerLearningRate: 0.02, innerBatchSize: 10 };
    const optimizer = { name: 'sgd', learningRate: 1 };
    const meta = { iterations: 400, batchSize: 5, optimizer, schedule: { name: 'linear' } };
    const { loss } = await train(parseJobSpec(JSON.stringify({ ...sinusoid, task, model, algorithm, meta })));
    assert.ok(loss[5]! < loss[0]! / 2, `loss by inner step: ${loss.join(', ')}`);
  });

  it('with MAML makes one drawing of each of five characters enough to name others well above chance', {
    skip: withoutOmniglot('meta-training on the real Omniglot images'),
  }, async () => {
    const spec = parseJobSpec(
      JSON.stringify({
        name: 'omniglot',
        task: { distribution: 'omniglot', ways: 5, shots: 1, queries: 1, dataSet: 'small' },
        model: { architecture: 'conv4', filters: 8, downsampling: 'stride' },
        algorithm: { name: 'maml', innerLearningRate: 0.4 },
        meta: { iterations: 120, batchSize: 8, optimizer: adam },
        evaluation: { tasks: 60, innerSteps: 1 },
      }),
    );
    const { accuracy } = await train(spec, [omniglotDirectory]);
    assert.ok(Math.abs(accuracy[0]! - 0.2) < 0.1, `before adaptation it is chance: ${accuracy[0]}`);
    assert.ok(accuracy[1]! > 0.45, `after one step: ${accuracy[1]}`);
  });
});
