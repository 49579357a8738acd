// Images and sentences as clients bring them: the same numbers as the distribution's own tasks
// have, and what cannot be read refused by its place.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { builtIn } from '../../../learning/registry.ts';
import { elementsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { taskIo } from '../../../worker/learning/io.ts';
import { openLearner } from '../../../worker/learning/learner.ts';
import { pngOfImage } from './image-files.ts';
import { drawingOf, type Fixture, smallFixture } from './omniglot-fixture.ts';
import { jobOf } from './small-jobs.ts';
import { sentences } from './text-files.ts';

let fixture: Fixture;
let engine: Engine;
before(async () => {
  fixture = smallFixture();
  engine = await createEngine({ engine: 'compiled', device: 'cpu' });
});
after(async () => {
  fixture.remove();
  await engine.close();
});

const conv = { architecture: 'conv4', filters: 2 };
const maml = { name: 'maml' };
const splits = { train: ['pay_bill', 'book_flight', 'play_music'], test: ['set_alarm', 'tell_joke'] };
const texts = {
  distribution: 'text-csv',
  file: 'texts/intents.csv',
  outsideLabel: 'none',
  ways: 2,
  shots: 1,
  queries: 2,
  tokens: 8,
  table: { size: 200 },
  splits,
};
const encoder = { architecture: 'embedding-bag' };

const open = (
  task: object,
  model: object,
  expectedData: readonly { name: string; part: string; sha256: string }[] = [],
) => {
  const job = jobOf(task, model, maml);
  const dataDirectories = [fixture.directory];
  return { job, learner: openLearner(job.spec, { registry: builtIn, engine, dataDirectories, expectedData }) };
};

/** The inputs of a test task, each as the text of its numbers. */
async function drawn(job: ReturnType<typeof jobOf>): Promise<Set<string>> {
  const io = taskIo({ seed: 7, dataDirectories: [fixture.directory], usedSplits: ['train', 'test'] });
  const tasks = await job.trained.distribution.open(job.trained.section, io);
  const task = allocateTasks(job.task, 1).task(0);
  tasks.sample('test', 0, task);
  return rowsOf(new Float32Array([...task.supportInputs!, ...task.queryInputs!]), elementsOf(job.task.input));
}

const rowsOf = (values: Float32Array, width: number): Set<string> =>
  new Set(
    Array.from({ length: values.length / width }, (_, row) => values.slice(row * width, (row + 1) * width).join()),
  );

const cases = {
  'Omniglot’s own files': {
    task: { distribution: 'omniglot', dataSet: 'small', ways: 2, shots: 1, queries: 2, rotations: false },
    model: conv,
    form: 'image',
    items: () =>
      [11, 12, 21].flatMap((seed) => Array.from({ length: 20 }, (_, index) => drawingOf(seed * 100 + index))),
  },
  'the files of a folder': {
    task: {
      distribution: 'image-folder',
      folder: 'shapes',
      ways: 2,
      shots: 1,
      queries: 2,
      size: [16, 18],
      splits: { train: ['amber', 'blue', 'coral'], test: ['dune', 'elm'] },
    },
    model: conv,
    form: 'image',
    items: () =>
      ['dune', 'elm'].flatMap((name) => {
        const folder = join(fixture.directory, 'shapes', name);
        return readdirSync(folder).map((file) => readFileSync(join(folder, file)));
      }),
  },
  'sentences of a CSV file': {
    task: texts,
    model: encoder,
    form: 'text',
    items: () => [...sentences.set_alarm!, ...sentences.tell_joke!].map((sentence) => Buffer.from(sentence)),
  },
} as const;

for (const [name, { task, model, form, items }] of Object.entries(cases)) {
  it(`${name} become the numbers that tasks are drawn with`, async () => {
    const { job, learner } = open(task, model);
    const { shape, values } = await learner.encode({ form, items: items() });
    assert.deepEqual(shape, [items().length, ...job.task.input]);
    const known = rowsOf(values, elementsOf(job.task.input));
    for (const row of await drawn(job)) assert.ok(known.has(row), 'an input that no file gives');
    await learner.close();
  });
}

it('a photograph of another size becomes a drawing of ink on paper', async () => {
  const { learner } = open(cases['Omniglot’s own files'].task, conv);
  const page = (level: number) =>
    pngOfImage({ width: 60, height: 40, channels: 3, data: new Uint8Array(60 * 40 * 3).fill(level) });
  const { shape, values } = await learner.encode({ form: 'image', items: [page(255), page(0)] });
  assert.deepEqual(shape, [2, 28, 28, 1]);
  assert.ok(
    values.subarray(0, 784).every((level) => level === 0),
    'paper',
  );
  assert.ok(
    values.subarray(784).every((level) => level === 1),
    'ink',
  );
  await learner.close();
});

it('what cannot be read is refused by its place, and the next request is read', async () => {
  const { learner } = open(cases['Omniglot’s own files'].task, conv);
  const good = drawingOf(1);
  await assert.rejects(
    learner.encode({ form: 'image', items: [good, Buffer.from('GIF89a')] }),
    /request: inputs\[1\]: got a file that cannot be read: it is neither a PNG nor a JPEG; accepted: a PNG or a JPEG/,
  );
  await assert.rejects(
    learner.encode({ form: 'text', items: [Buffer.from('hello')] }),
    /inputs: got texts; accepted: images/,
  );
  assert.deepEqual((await learner.encode({ form: 'image', items: [good] })).shape, [1, 28, 28, 1]);
  await learner.close();
  const words = open(texts, encoder).learner;
  await assert.rejects(words.encode({ form: 'text', items: [Buffer.from(' \n')] }), /inputs\[0\]: .* it has no word/);
  await assert.rejects(words.encode({ form: 'text', items: [Buffer.from([0xff, 0xfe])] }), /inputs\[0\]: /);
  await words.close();
});

it('a model without images or texts takes numbers', async () => {
  const { learner } = open({ distribution: 'sinusoid' }, { architecture: 'mlp', hiddenLayers: [4] });
  await assert.rejects(
    learner.encode({ form: 'image', items: [drawingOf(1)] }),
    /inputs: got images or texts; accepted: numbers/,
  );
  await learner.close();
});

it('sentences are read by the table of the data that the job began with, or not at all', async () => {
  const other = [{ name: 'text-csv', part: 'texts/intents.csv', sha256: '0'.repeat(64) }];
  const { learner } = open(texts, encoder, other);
  await assert.rejects(learner.encode({ form: 'text', items: [Buffer.from('set an alarm')] }), {
    code: 'DATA_SET_DIFFERS',
  });
  await learner.close();
});
