// Several θ that predict together: what their predictions come to, against closed forms and against
// evaluations of one θ, in programs of every kind of adaptation.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Tensor2D } from '@tensorflow/tfjs';
import { statesOf } from '../../../learning/kit/evaluate.ts';
import { after as lastOf } from '../../../learning/kit/sequence.ts';
import { builtInParts, Registry } from '../../../learning/registry.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import { openEnsembleEvaluator } from '../../../worker/learning/ensemble.ts';
import { workContext } from '../../../worker/learning/open.ts';
import { type Fixture, smallFixture } from './omniglot-fixture.ts';
import { probe } from './probe.ts';
import { evaluateOnTasks, jobOf, openParts, type Parts, runOnTasks } from './small-jobs.ts';

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
const mlp = { architecture: 'mlp', hiddenLayers: [8] };
const texts = {
  distribution: 'text-csv',
  file: 'texts/intents.csv',
  ways: 2,
  queries: 2,
  tokens: 6,
  table: { size: 60 },
  splits: { train: ['pay_bill', 'book_flight', 'play_music'], test: ['set_alarm', 'tell_joke'] },
};
const rejecting = { ...texts, outside: 2, outsideLabel: 'none' };
const bag = { architecture: 'embedding-bag', dimensions: 5, hiddenLayers: [4] };

/** θ₀ moved by so much, in a pattern of its own. */
const moved = ({ metaParams }: Parts, by: number) => metaParams.map((value, i) => value + by * Math.sin(1 + i * i));

async function together(parts: Parts, members: readonly Float32Array[], count = 2) {
  const evaluator = openEnsembleEvaluator(workContext(parts.job, parts.tasks, engine), parts);
  try {
    const shard = {
      metaStep: 0,
      split: 'test',
      firstTask: 0,
      taskCount: count,
      members: members.map(() => 0),
    } as const;
    const thetas = members.map((member) => viewsOf(parts.layout, member));
    const { measures } = await evaluator.evaluate(thetas, shard);
    return Object.fromEntries(measures.map(({ name, values }) => [name, values]));
  } finally {
    await evaluator.close();
  }
}

const near = (got: readonly number[], expected: readonly number[], tolerance: number) => {
  assert.equal(got.length, expected.length);
  for (const [i, value] of got.entries()) {
    assert.ok(
      Math.abs(value - expected[i]!) <= tolerance * Math.max(1, Math.abs(expected[i]!)),
      `${value}, not ${expected[i]}`,
    );
  }
};

describe('what members predict together', () => {
  it('has the mean of their probabilities, also where one of them is sure', async () => {
    const { kit } = await openParts(jobOf(texts, bag, { name: 'maml' }), fixture.directory);
    const members = [
      [
        [2, -1],
        [400, -400],
      ],
      [
        [0.5, 0.25],
        [-300, 300],
      ],
      [
        [-3, 4],
        [1, 1],
      ],
    ].map((rows) => tf.tensor2d(rows));
    const softmax = (rows: number[][]) =>
      rows.map(([a, b]) => [1 / (1 + Math.exp(b! - a!)), 1 / (1 + Math.exp(a! - b!))]);
    const expected = members
      .map((member) => softmax(member.arraySync()))
      .reduce(
        (sum, rows) => sum.map((row, i) => row.map((value, j) => value + rows[i]![j]! / 3)),
        [
          [0, 0],
          [0, 0],
        ],
      );
    const average = kit.average(members);
    near([...tf.softmax(average).dataSync()], expected.flat(), 2e-7);
    assert.ok([...average.dataSync()].every(Number.isFinite));
    near([...kit.average([members[1]!]).dataSync()].slice(0, 1), [-Math.log(1 + Math.exp(-0.25))], 2e-7);
  });

  it('is the mean of their predictions where these are values', async () => {
    const { kit } = await openParts(jobOf(sinusoid, mlp, { name: 'maml' }), fixture.directory);
    const average = kit.average([tf.tensor2d([[1], [4]]), tf.tensor2d([[2], [-2]])]);
    assert.deepEqual([...average.dataSync()], [1.5, 1]);
  });
});

describe('an ensemble', () => {
  for (const [name, task, model] of [
    ['maml', sinusoid, mlp],
    ['maml', rejecting, bag],
    ['protonet', rejecting, bag],
    ['imaml', rejecting, bag],
    ['probe', texts, bag],
  ] as const)
    it(`of equal members is measured as one of them: ${name} on ${task.distribution}`, async () => {
      const registry = new Registry([...builtInParts, probe]);
      const parts = await openParts(jobOf(task, model, { name }, registry), fixture.directory);
      const member = moved(parts, 0.1);
      const [one, three] = [
        await evaluateOnTasks(engine, parts, member, 2),
        await together(parts, [member, member, member]),
      ];
      assert.deepEqual(Object.keys(three), Object.keys(one));
      for (const [measure, values] of Object.entries(one)) near(three[measure]!, values, 1e-5);
    });

  it('of different members has the loss of their mean prediction', async () => {
    const parts = await openParts(jobOf(sinusoid, mlp, { name: 'maml' }), fixture.directory);
    const members = [0, 0.2, -0.3].map((by) => moved(parts, by));
    const predictions: number[][] = [];
    let targets: number[] = [];
    for (const member of members) {
      const { each } = await runOnTasks(
        engine,
        parts,
        (theta, task, step) => {
          const state = lastOf(3, statesOf(parts.algorithm.adapt, theta, task, step), theta);
          const predicted: Tensor2D = parts.algorithm.predict(theta, state, task.queryInputs!);
          return { sum: {}, each: { predicted, targets: task.queryTargets! } };
        },
        member,
        1,
        'test',
      );
      predictions.push([...each.predicted!]);
      targets = [...each.targets!];
    }
    const mean = targets.map((_, i) => predictions.reduce((sum, one) => sum + one[i]! / members.length, 0));
    const loss = mean.reduce((sum, value, i) => sum + (value - targets[i]!) ** 2 / targets.length, 0);
    const measured = await together(parts, members, 1);
    near(measured.loss!.slice(-1), [loss], 1e-5);
    const alone = await Promise.all(members.map((member) => evaluateOnTasks(engine, parts, member)));
    const worst = Math.max(...alone.map((rows) => rows.loss!.at(-1)!));
    assert.ok(measured.loss!.at(-1)! < worst);
  });

  it('leaves out what is measured of one model', async () => {
    const insight = { evaluation: { tasks: 2, innerSteps: 2, insight: true } };
    const { measures } = jobOf(sinusoid, mlp, { name: 'maml' }, undefined, insight);
    assert.deepEqual([measures.evaluate.length, measures.ensemble.map(({ name }) => name)], [3, ['loss']]);
  });
});

describe('evaluation.ensemble', () => {
  const of = (evaluation: object, meta: object = { iterations: 9, batchSize: 2 }) =>
    jobOf(sinusoid, mlp, { name: 'maml' }, undefined, { evaluation, meta });

  it('takes checkpoints of validation evaluations', () => {
    assert.equal(of({ split: 'validation', every: 3, ensemble: 3 }).spec.evaluation.ensemble, 3);
    assert.throws(() => of({ every: 3, ensemble: 3 }), {
      message:
        'invalid job: evaluation.split: got test; accepted: validation with evaluation.ensemble, ' +
        'whose checkpoints it chooses; the ensemble is tested on the test split',
    });
    assert.throws(() => of({ split: 'validation', every: 4, ensemble: 4 }), {
      message:
        "invalid job: evaluation.ensemble: got 4; accepted: at most the job's 3 evaluations, " +
        'one every evaluation.every meta-steps and at the end',
    });
  });

  it('is bounded by the size of a payload', () => {
    const large = { architecture: 'mlp', hiddenLayers: [12_000, 12_000] };
    const evaluation = { split: 'validation', every: 1, ensemble: 2 };
    assert.throws(
      () => jobOf(sinusoid, large, { name: 'maml' }, undefined, { evaluation, meta: { iterations: 2, batchSize: 1 } }),
      /evaluation\.ensemble: got 2 models of 144,0\d\d,\d{3} parameters; accepted: nothing, with a model of this size/,
    );
  });
});
