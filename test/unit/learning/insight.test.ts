// What adaptation changes, layer by layer: movement and alignment against closed forms and NumPy, and
// in evaluations of every kind of adaptation with every model.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type * as tfjs from '@tensorflow/tfjs';
import { headOf, layersOf } from '../../../learning/facts.ts';
import { statesOf } from '../../../learning/kit/evaluate.ts';
import { alignment, movementOf } from '../../../learning/kit/insight.ts';
import { first } from '../../../learning/kit/sequence.ts';
import { builtIn } from '../../../learning/registry.ts';
import { taskRng } from '../../../shared/rng.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { type Fixture, smallFixture } from './omniglot-fixture.ts';
import { evaluateOnTasks, jobOf, openParts, runOnTasks, smallJobs } from './small-jobs.ts';

let fixture: Fixture;
let engine: Engine;
before(async () => {
  fixture = smallFixture();
  engine = await createEngine({ engine: 'compiled', device: 'cpu' });
  await tf.setBackend('cpu');
});
after(async () => {
  fixture.remove();
  await engine.close();
});

const sinusoid = { distribution: 'sinusoid', shots: 5, queries: 6 };
const mlp = { architecture: 'mlp', hiddenLayers: [8, 8] };
const insight = { evaluation: { tasks: 2, innerSteps: 2, insight: true } };
const numberOf = (scalar: tfjs.Tensor): number => scalar.dataSync()[0]!;
/** Of float32 sums of some ten numbers. */
const near = (value: number, expected: number, tolerance = 2e-6) =>
  assert.ok(Math.abs(value - expected) <= tolerance, `${value} is not ${expected}`);

const matrix = (rows: number, columns: number, at: (row: number, column: number) => number) =>
  tf.tensor2d(Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => at(i, j))));

describe('alignment', () => {
  it('is 1 for outputs that are rotated, scaled and shifted, at any size of number', () => {
    const rng = taskRng(5, 'alignment', 0);
    const x = matrix(12, 2, () => rng.normal());
    const rotation = tf.tensor2d([
      [Math.cos(0.7), -Math.sin(0.7)],
      [Math.sin(0.7), Math.cos(0.7)],
    ]);
    for (const scale of [1e-12, 1, 3e12]) {
      near(numberOf(alignment(tf, x, tf.add(tf.mul(tf.matMul(x, rotation), scale), 5 * scale))), 1);
    }
  });

  it('is 0 for outputs that are orthogonal, without a variation, or no numbers', () => {
    const [sine, cosine] = [1, 0].map((phase) => matrix(8, 1, (i) => Math.sin((Math.PI * (i + 2 * phase)) / 4)));
    near(numberOf(alignment(tf, sine!, cosine!)), 0);
    const constant = matrix(8, 3, (_, j) => j);
    assert.equal(numberOf(alignment(tf, sine!, constant)), 0);
    assert.equal(numberOf(alignment(tf, sine!, tf.mul(sine!, Number.NaN))), 0);
    assert.equal(numberOf(alignment(tf, constant, tf.mul(constant, 2))), 1, 'neither varies');
  });

  // X[i, j] = sin(3i + j) [7, 5], Y[i, j] = cos(2i − j) + X[i, j] [7, 3], both column-centred:
  // numpy.linalg.norm(Y.T @ X)**2 / (norm(X.T @ X) * norm(Y.T @ Y)), NumPy 2.4.6 in float64
  it('is what NumPy computes from products of features', () => {
    const x = matrix(7, 5, (i, j) => Math.sin(3 * i + j));
    const y = matrix(7, 3, (i, j) => Math.cos(2 * i - j) + Math.sin(3 * i + j));
    near(numberOf(alignment(tf, x, y)), 0.5723392844843758);
  });

  it('takes outputs of any shape, an example a row', () => {
    const x = matrix(6, 8, (i, j) => Math.sin(i * j + i));
    const y = matrix(6, 8, (i, j) => Math.cos(i + j * j));
    const folded = [x, y].map((rows) => tf.reshape(rows, [6, 2, 4])) as [tfjs.Tensor, tfjs.Tensor];
    assert.equal(numberOf(alignment(tf, ...folded)), numberOf(alignment(tf, x, y)));
  });
});

// θ: sin(k), k < 6, and cos(k), k < 4; φ − θ: cos(3k) / 10 and sin(5k) / 10: numpy.linalg.norm of
// both, joined
it('movement is relative to the length of all tensors together, and absolute from zero', () => {
  const theta = { a: tf.tensor(ofCount(6, Math.sin)), b: tf.tensor2d(ofCount(4, Math.cos), [2, 2]) };
  const ways = { a: ofCount(6, (k) => Math.cos(3 * k) / 10), b: ofCount(4, (k) => Math.sin(5 * k) / 10) };
  const phi = { a: tf.add(theta.a, tf.tensor(ways.a)), b: tf.add(theta.b, tf.tensor2d(ways.b, [2, 2])) };
  near(numberOf(movementOf(tf, theta, phi, ['a', 'b'])), 0.1101165391526952);
  near(numberOf(movementOf(tf, { a: tf.zeros([2]) }, { a: tf.tensor1d([3, 4]) }, ['a'])), 5);
  assert.equal(numberOf(movementOf(tf, theta, theta, ['a', 'b'])), 0);
});

const ofCount = (count: number, of: (k: number) => number): number[] => Array.from({ length: count }, (_, k) => of(k));

describe('evaluation.insight', () => {
  it('measures along the layers of the model, which lead nothing', () => {
    const job = jobOf(sinusoid, mlp, { name: 'maml' }, builtIn, insight);
    assert.deepEqual(
      job.measures.evaluate.map(({ name, axis, points, better }) => [name, axis, points.join(' '), better]),
      [
        ['loss', 'inner step', '0 1 2', 'lower'],
        ['layer-movement', 'layer', 'layer1 layer2 layer3', 'neither'],
        ['layer-similarity', 'layer', 'layer1 layer2 layer3', 'neither'],
      ],
    );
  });

  it('is refused where nothing is adapted', () => {
    const classes = { distribution: 'omniglot', ways: 2, shots: 1, queries: 2 };
    assert.throws(() => jobOf(classes, mlp, { name: 'protonet' }, builtIn, insight), {
      message:
        'invalid job: evaluation.insight: got true with algorithm.name protonet, which takes no inner steps; ' +
        'accepted: false, or an algorithm that adapts the model by inner steps',
    });
  });

  // ANIL moves the head alone: the body's parameters stay, and so do its outputs.
  it('says what stays where the head alone is adapted', async () => {
    const parts = await openParts(jobOf(sinusoid, mlp, { name: 'anil' }, builtIn, insight), fixture.directory);
    const rows = await evaluateOnTasks(engine, parts, parts.metaParams, 2);
    const [movement, similarity] = [rows['layer-movement']!, rows['layer-similarity']!];
    for (const task of [0, 3]) {
      assert.deepEqual(movement.slice(task, task + 2), [0, 0]);
      assert.ok(movement[task + 2]! > 0);
      for (const value of similarity.slice(task, task + 2)) near(value, 1);
    }
  });

  for (const name of ['maml', 'meta-sgd', 'cavia', 'reptile', 'imaml', 'from-scratch', 'maml-plus-plus'])
    it(`is that of the first and the last state of ${name}`, async () => {
      const algorithm = { name, ...(name === 'maml-plus-plus' && { perStepBatchNorm: false }) };
      const parts = await openParts(jobOf(sinusoid, mlp, algorithm, builtIn, insight), fixture.directory);
      const rows = await evaluateOnTasks(engine, parts, parts.metaParams);
      const points = parts.job.measures.evaluate[0]!.points.length;
      const { each } = await runOnTasks(
        engine,
        parts,
        (theta, task, step) => {
          const states = [...first(points, statesOf(parts.algorithm.adapt, theta, task, step))];
          const moved = Array.from(layersOf(parts.job.modelParameters).values(), (names) =>
            movementOf(tf, states[0]!, states.at(-1)!, names),
          );
          return { sum: {}, each: { moved: tf.stack(moved) } };
        },
        parts.metaParams,
        1,
        'test',
      );
      assert.ok(rows['layer-movement']![0]! > 0);
      for (const [layer, value] of rows['layer-movement']!.entries()) near(value, each.moved![layer]!, 1e-5 * value);
    });

  for (const { name, job } of variantsOfModels())
    it(`has every layer of ${name}`, async () => {
      const parts = await openParts(job, fixture.directory);
      const theta = viewsOf(parts.layout, parts.metaParams);
      const params = job.parameters.map(({ name, shape }) => [name, tf.tensor(theta[name]!, [...shape])] as const);
      const { stacked, task } = allocateTasks(job.task, 1);
      parts.tasks.sample('test', 0, task(0));
      const inputs = tf.tensor(stacked.queryInputs!, [job.task.queryExamples, ...job.task.input]);
      const outputs = parts.kit.outputsOfLayers(Object.fromEntries(params), inputs);
      assert.deepEqual(Object.keys(outputs).sort(), [...layersOf(job.modelParameters).keys()].sort());
      for (const output of Object.values(outputs)) assert.equal(output.shape[0], job.task.queryExamples);
      const last = parts.kit.model.predict(Object.fromEntries(params), inputs);
      const [head] = layersOf(headOf(job.modelParameters)).keys();
      assert.deepEqual(outputs[head!]!.dataSync(), last.dataSync(), 'the head gives the predictions');
    });
});

/** Every variant of every model that names its layers, under MAML. */
function variantsOfModels() {
  const seen = new Set<string>();
  return smallJobs.filter(({ job }) => {
    const key = JSON.stringify(job.spec.model);
    const isNew = job.spec.algorithm.name === 'maml' && job.model.namesLayers && !seen.has(key);
    if (isNew) seen.add(key);
    return isNew;
  });
}
