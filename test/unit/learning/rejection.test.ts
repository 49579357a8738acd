// Rejecting what belongs to none of a task's classes: the measures against counts by hand, in
// programs of every kind of adaptation, and the models of text against what their words say.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { measureRejection } from '../../../learning/kit/rejection.ts';
import { builtInParts, Registry } from '../../../learning/registry.ts';
import { taskRng } from '../../../shared/rng.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import { type Fixture, smallFixture } from './omniglot-fixture.ts';
import { probe } from './probe.ts';
import { evaluateOnTasks, jobOf, openParts, trainOnTasks } from './small-jobs.ts';

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

const task = {
  distribution: 'text-csv',
  file: 'texts/intents.csv',
  ways: 2,
  queries: 2,
  tokens: 6,
  table: { size: 60 },
  splits: { train: ['pay_bill', 'book_flight', 'play_music'], test: ['set_alarm', 'tell_joke'] },
};
const rejecting = { ...task, outside: 2, outsideLabel: 'none' };
const model = { architecture: 'embedding-bag', dimensions: 5, hiddenLayers: [4] };

describe('the measures of rejection', () => {
  it('count pairs in the right order, and thresholds by how many queries they reject', async () => {
    const rng = taskRng(3, 'test rejection', 0);
    const logits = (rows: number) =>
      Array.from({ length: rows }, () => [Math.round(rng.normal() * 3), Math.round(rng.normal() * 3)]);
    const [queries, outside] = [logits(20), logits(12)];
    const measured = measureRejection(tf, tf.tensor2d(queries), tf.tensor2d(outside));
    const [own, other] = [queries, outside].map((rows) => rows.map((row) => Math.max(...row))) as [number[], number[]];
    const pairs = own.flatMap((a) => other.map((b) => (b < a ? 1 : b === a ? 0.5 : 0)));
    const area = pairs.reduce((sum: number, value) => sum + value, 0) / pairs.length;
    assert.ok(Math.abs((await measured['outside-auroc']!.data())[0]! - area) < 1e-6);
    // a threshold is a score; what scores below it is rejected: the highest one that rejects at
    // most so many queries
    const thresholds = [...new Set([...own, ...other, Number.POSITIVE_INFINITY])];
    const expected = [0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5].map((share) => {
      const allowed = thresholds.filter(
        (threshold) => own.filter((score) => score < threshold).length <= share * own.length,
      );
      return other.filter((score) => score < Math.max(...allowed)).length / other.length;
    });
    const curve = Array.from(await measured['outside-rejected']!.data());
    for (const [point, value] of expected.entries())
      assert.ok(Math.abs(curve[point]! - value) < 1e-6, `point ${point}`);
  });

  it('are there for tasks with an outside set, along axes that say so', () => {
    const { measures } = jobOf(rejecting, model, { name: 'maml', innerSteps: 1 });
    assert.deepEqual(
      measures.train.map(({ name }) => name),
      ['loss', 'accuracy'],
    );
    assert.deepEqual(
      measures.evaluate.map(({ name, axis, points }) => [name, axis, points.length]),
      [
        ['loss', 'inner step', 3],
        ['accuracy', 'inner step', 3],
        ['outside-auroc', 'inner step', 3],
        ['outside-rejected', 'share of queries rejected', 7],
      ],
    );
    assert.equal(jobOf(task, model, { name: 'maml' }).measures.evaluate.length, 2);
  });

  for (const name of ['maml', 'protonet', 'imaml', 'probe']) {
    it(`come with every point of ${name}, and the curve at its end`, async () => {
      const registry = new Registry([...builtInParts, probe]);
      const parts = await openParts(jobOf(rejecting, model, { name }, registry), fixture.directory);
      const rows = await evaluateOnTasks(engine, parts, parts.metaParams, 2);
      const points = parts.job.measures.evaluate[0]!.points.length;
      assert.deepEqual(
        Object.entries(rows).map(([measure, values]) => [measure, values.length]),
        [
          ['loss', 2 * points],
          ['accuracy', 2 * points],
          ['outside-auroc', 2 * points],
          ['outside-rejected', 14],
        ],
      );
      const curve = rows['outside-rejected']!;
      assert.ok(curve.every((value, at) => value >= 0 && value <= 1 && (at % 7 === 0 || value >= curve[at - 1]!)));
    });
  }

  it('change no meta-gradient', async () => {
    const both = await Promise.all(
      [task, rejecting].map((section) => openParts(jobOf(section, model, { name: 'protonet' }), fixture.directory)),
    );
    const [without, with_] = [
      await trainOnTasks(engine, both[0]!, both[0]!.metaParams, 2),
      await trainOnTasks(engine, both[1]!, both[1]!.metaParams, 2),
    ];
    assert.deepEqual(with_, without);
  });
});

describe('models of text', () => {
  const featuresOf = async (section: object, rows: readonly (readonly number[])[]) => {
    const parts = await openParts(
      jobOf({ ...task, tokens: rows[0]!.length }, section, { name: 'maml' }),
      fixture.directory,
    );
    const params = Object.fromEntries(
      Object.entries(viewsOf(parts.layout, parts.metaParams)).map(([name, values]) => [
        name,
        tf.tensor(values, [...parts.layout.tensors.find((tensor) => tensor.name === name)!.shape]),
      ]),
    );
    const features = parts.kit.model.features!(params, tf.tensor2d(rows.map((row) => [...row])));
    return { features: (await features.array()) as number[][], arrays: viewsOf(parts.layout, parts.metaParams) };
  };
  const close = (actual: readonly number[], expected: readonly number[]) => {
    for (const [at, value] of expected.entries())
      assert.ok(Math.abs(actual[at]! - value) < 1e-5, `${actual} is not ${expected}`);
  };

  it('an embedding bag is the mean of the embeddings that are looked up', async () => {
    const rows = [[4, 9, 4, 0, 0, 0], [2, 3, 5, 7, 11, 13], [0, 0, 0, 0, 0, 0]]; // biome-ignore format: rows
    const { features, arrays } = await featuresOf({ ...model, hiddenLayers: [] }, rows);
    const embedding = (token: number) => [...arrays.embedding!.subarray(5 * token, 5 * token + 5)];
    for (const [row, tokens] of rows.entries()) {
      const there = tokens.filter((token) => token > 0);
      const sum = there.map(embedding).reduce((a, b) => a.map((value, at) => value + b[at]!), [0, 0, 0, 0, 0]);
      close(
        features[row]!,
        sum.map((value) => value / Math.max(1, there.length)),
      );
    }
  });

  it('normalized features have one length, and none where there is no token', async () => {
    const { features } = await featuresOf({ ...model, hiddenLayers: [], normalize: true }, [
      [4, 9, 4],
      [2, 0, 0],
      [0, 0, 0],
    ]);
    close(
      features.map((row) => Math.hypot(...row)),
      [3, 3, 0],
    );
  });

  it("a transformer does not see what is after a text's end, and sees the order of tokens", async () => {
    const section = { architecture: 'transformer', dimensions: 4, heads: 2, blocks: 2, feedForward: 5 };
    const short = await featuresOf(section, [[4, 9, 6]]);
    const parts = await openParts(jobOf({ ...task, tokens: 6 }, section, { name: 'maml' }), fixture.directory);
    // the same parameters, but for the positions after the end, which are other rows of a longer table
    const long = Object.fromEntries(
      parts.layout.tensors.map(({ name, shape }) => {
        const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
        values.fill(5).set(short.arrays[name]!);
        return [name, tf.tensor(values, [...shape])];
      }),
    );
    const inputs = tf.tensor2d([[4, 9, 6, 0, 0, 0], [6, 9, 4, 0, 0, 0], [0, 0, 0, 0, 0, 0]]); // biome-ignore format: rows
    const [padded, turned, empty] = (await parts.kit.model.features!(long, inputs).array()) as number[][];
    close(padded!, short.features[0]!);
    assert.ok(Math.max(...padded!.map((value, at) => Math.abs(value - turned![at]!))) > 1e-3);
    close(empty!, [0, 0, 0, 0]);
  });
});
