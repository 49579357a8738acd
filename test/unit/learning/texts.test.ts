// Distributions of sentences: what their tasks hold, how classes are split, and what is refused.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { supportTensors } from '../../../learning/request-inputs.ts';
import type { Split } from '../../../learning/tasks.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { openTasks, type TaskContext } from './open-tasks.ts';
import { clincOf, csvOf, labelledRows, outsideSentences, sentences, writeTexts } from './text-files.ts';

const splits = { train: ['pay_bill', 'book_flight', 'play_music'], test: ['set_alarm', 'tell_joke'] };
const usual = {
  distribution: 'text-csv',
  file: 'texts/intents.csv',
  ways: 2,
  queries: 2,
  tokens: 8,
  table: { size: 200 },
  splits,
};

function placeFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-texts-'));
  t.after(() => rmSync(directory, { recursive: true }));
  writeTexts(directory);
  return directory;
}

const contextOf = (directory: string): TaskContext => ({
  seed: 1,
  dataDirectories: [directory],
  usedSplits: ['train', 'test'],
});

const open = (directory: string, task: object = {}, context: Partial<TaskContext> = {}) =>
  openTasks({ ...usual, outsideLabel: 'none', ...task }, { ...contextOf(directory), ...context });

const { distribution: _, file: __, ...shared } = usual;
const openClinc = (directory: string, task: object = {}) =>
  openTasks({ distribution: 'clinc150', ...shared, ...task }, contextOf(directory));

type Opened = Awaited<ReturnType<typeof open>>;

function drawn(tasks: Opened, split: Split, index: number) {
  const task = allocateTasks(tasks.facts, 1).task(0);
  for (const array of Object.values(task)) array.fill(Number.NaN);
  tasks.sample(split, index, task);
  return task;
}

const rowsOf = (inputs: Float32Array, tokens = 8) =>
  Array.from({ length: inputs.length / tokens }, (_, row) => inputs.subarray(row * tokens, (row + 1) * tokens).join());

describe('tasks of sentences', () => {
  it('hold different sentences of the classes of their split, as tokens', async (t) => {
    const tasks = await open(placeFor(t), { shots: 2 });
    const all = { train: new Set<string>(), test: new Set<string>() };
    for (const split of ['train', 'test'] as const) {
      for (let index = 0; index < 30; index++) {
        const task = drawn(tasks, split, index);
        const rows = [...rowsOf(task.supportInputs!), ...rowsOf(task.queryInputs!)];
        assert.equal(new Set(rows).size, 8, 'no sentence twice');
        for (const row of rows) all[split].add(row);
        // the label of row r is r modulo the ways, and all tokens are whole numbers below the table's size
        assert.deepEqual([...task.supportTargets!], [1, 0, 0, 1, 1, 0, 0, 1]);
        assert.ok([...task.queryInputs!].every((token) => Number.isInteger(token) && token >= 0 && token < 200));
      }
    }
    assert.deepEqual([all.train.size, all.test.size], [12, 8]);
    assert.ok([...all.train].every((row) => !all.test.has(row)));
    assert.deepEqual(
      tasks.classes('test').map(({ name }) => name),
      splits.test,
    );
  });

  it('are the same for the same seed, split and index alone', async (t) => {
    const directory = placeFor(t);
    const [a, b] = [await open(directory), await open(directory)];
    assert.deepEqual(drawn(a, 'test', 3), drawn(b, 'test', 3));
    assert.notDeepEqual(drawn(a, 'test', 3), drawn(await open(directory, {}, { seed: 2 }), 'test', 3));
  });

  it('without shots hold the names of their classes, with underscores as spaces', async (t) => {
    const directory = placeFor(t);
    const tasks = await open(directory, { shots: 0 });
    assert.deepEqual(Object.keys(tasks.facts.tensors), ['descriptionInputs', 'queryInputs', 'queryTargets']);
    assert.deepEqual(supportTensors(tasks.facts), ['descriptionInputs']);
    // a file in which `pay bill` itself is a sentence shows its tokens
    writeFileSync(
      join(directory, 'texts', 'named.csv'),
      csvOf([['text', 'label'], ...labelledRows(), ['Pay  Bill', 'pay_bill']]),
    );
    const named = await open(directory, { file: 'texts/named.csv', shots: 0, queries: 4 });
    const described = new Set<string>();
    const queried = new Set<string>();
    for (let index = 0; index < 40; index++) {
      const task = drawn(named, 'train', index);
      for (const row of rowsOf(task.descriptionInputs!)) described.add(row);
      for (const row of rowsOf(task.queryInputs!)) queried.add(row);
    }
    assert.equal(described.size, 3);
    assert.equal([...described].filter((row) => queried.has(row)).length, 1);
  });

  it('hold sentences of no class apart, which are in one split each', async (t) => {
    const tasks = await open(placeFor(t), { outside: 2 });
    assert.deepEqual(supportTensors(tasks.facts), ['supportInputs', 'supportTargets']);
    const seen = (['train', 'test'] as const).map((split) => {
      const rows = Array.from({ length: 30 }, (_, index) => rowsOf(drawn(tasks, split, index).outsideInputs!));
      return new Set(rows.flat());
    });
    assert.deepEqual(
      seen.map(({ size }) => size),
      [2, 4],
    );
    assert.ok([...seen[0]!].every((row) => !seen[1]!.has(row)));
  });

  it('leave out a sentence of two labels, count a repeated one once, and say so', async (t) => {
    const directory = placeFor(t);
    const rows = [...labelledRows(), ['PLAY  a song', 'play_music'], ['make me laugh', 'pay_bill']];
    writeFileSync(join(directory, 'texts', 'twice.csv'), csvOf([['text', 'label'], ...rows]));
    const tasks = await open(directory, { file: 'texts/twice.csv' });
    assert.match(tasks.splitDescription, /classes: train 3, test 2; 1 sentences with two labels left out/);
    await assert.rejects(open(directory, { file: 'texts/twice.csv', shots: 2 }), {
      code: 'REQUEST_INVALID',
      message:
        /^task\.queries: got 2 with task\.shots 2, which take 4 sentences of each class; accepted: what every class has: "tell_joke" has 3$/,
    });
  });

  it('are cut by the hashes of the labels where no split is named', async (t) => {
    const tasks = await open(placeFor(t), { splits: undefined, ways: 2, outside: 0 }).catch((error) => error);
    // a fifth of five classes tests: one, and two ways need two
    assert.match(
      tasks.message,
      /^task\.ways: got 2; accepted: at most 1, the classes of the test split \(train 4, test 1\)$/,
    );
  });
});

describe('the data that a job keeps to', () => {
  it('changes with a sentence, a label, the table and its classes', async (t) => {
    const directory = placeFor(t);
    const hashOf = async (task: object = {}) => (await open(directory, task)).data[0]!.sha256;
    const first = await hashOf();
    assert.equal(await hashOf({ shots: 2 }), first);
    assert.notEqual(await hashOf({ table: { size: 30 } }), first);
    assert.notEqual(await hashOf({ splits: { ...splits, train: splits.train.slice(1) } }), first);
    const before = (await open(directory)).data;
    writeFileSync(
      join(directory, 'texts', 'intents.csv'),
      csvOf([['text', 'label'], ...labelledRows(), ['one more', 'pay_bill']]),
    );
    await assert.rejects(open(directory, {}, { expectedData: before }), { code: 'DATA_SET_DIFFERS' });
    // also where the classes that the job file lists are no longer there
    writeFileSync(join(directory, 'texts', 'intents.csv'), csvOf([['text', 'label'], ...labelledRows().slice(8)]));
    await assert.rejects(open(directory, {}, { expectedData: before }), { code: 'DATA_SET_DIFFERS' });
  });
});

describe("CLINC150's file", () => {
  it('gives its intents and its sentences out of scope, whatever split its authors put them in', async (t) => {
    const tasks = await openClinc(placeFor(t), { shots: 2, outside: 2 });
    assert.match(
      tasks.splitDescription,
      /^CLINC150 \(not the official sentences\); classes: train 3, test 2; outside: train 2, validation 2, test 4; table of /,
    );
    const rows = Array.from({ length: 40 }, (_, index) => rowsOf(drawn(tasks, 'test', index).queryInputs!));
    assert.equal(new Set(rows.flat()).size, 8);
  });

  it('is refused with the place of what is wrong', async (t) => {
    const directory = placeFor(t);
    const path = join(directory, 'clinc150', 'data_full.json');
    writeFileSync(path, JSON.stringify({ ...clincOf(), val: [['one']] }));
    await assert.rejects(openClinc(directory), {
      code: 'DATA_CORRUPT',
      message: /is not CLINC150's data_full\.json: val\.0/,
    });
    writeFileSync(path, '{');
    await assert.rejects(openClinc(directory), { code: 'DATA_CORRUPT', message: /it is not JSON in UTF-8$/ });
    rmSync(path);
    await assert.rejects(openClinc(directory), {
      code: 'DATA_SET_MISSING',
      message: /Fetch it with: metatrain datasets fetch clinc150$/,
    });
  });
});

describe('refusing a CSV file', () => {
  const refuses = (what: string, content: string | Uint8Array, code: string, message: RegExp, task: object = {}) =>
    it(`says so of ${what}`, async (t) => {
      const directory = placeFor(t);
      mkdirSync(join(directory, 'texts'), { recursive: true });
      writeFileSync(join(directory, 'texts', 'intents.csv'), content);
      await assert.rejects(open(directory, task), { code, message });
    });
  const whole = csvOf([['text', 'label'], ...labelledRows()]);
  refuses(
    'a file that is missing',
    whole,
    'DATA_SET_MISSING',
    /^the file of sentences "no\.csv" is not here; searched: .*no\.csv$/,
    { file: 'no.csv' },
  );
  refuses(
    'a column that is missing',
    whole,
    'REQUEST_INVALID',
    /^task\.labelColumn: got intent; accepted: a column of the file: text, label$/,
    { labelColumn: 'intent' },
  );
  refuses(
    'a row with too many fields',
    `${whole}a,b,c\n`,
    'DATA_CORRUPT',
    /line 30 has 3 fields; accepted: 2, as the first line has$/,
  );
  refuses('an empty sentence', `${whole} ,b\n`, 'DATA_CORRUPT', /line 30 has an empty sentence or label$/);
  refuses(
    'a sentence that is too long',
    `${whole}${'a'.repeat(10_001)},b\n`,
    'DATA_CORRUPT',
    /line 30 has a sentence or label that is too long/,
  );
  refuses('a quote that is not closed', `${whole}"a`, 'DATA_CORRUPT', /line 30: a quote inside a field/);
  refuses('other characters than UTF-8', Buffer.from([0xff, 0xfe, 0x00]), 'DATA_CORRUPT', /it is not UTF-8$/);
  refuses(
    'too few sentences of no class',
    whole,
    'REQUEST_INVALID',
    /^task\.outside: got 3; accepted: at most 2, the train split's sentences of no class$/,
    { outside: 3 },
  );
  refuses(
    'a class that is not there',
    whole,
    'REQUEST_INVALID',
    /^task\.splits\.test: got sing; accepted: book_flight/,
    { splits: { ...splits, test: ['sing', 'tell_joke'] } },
  );
  refuses('an evaluation on no class', whole, 'REQUEST_INVALID', /^task\.ways: got 2; accepted: at most 1/, {
    splits: { ...splits, test: ['tell_joke'] },
  });
});

describe("a text's section of a job file", () => {
  const parse = (task: object, others: object = {}) =>
    parseJobSpec(
      JSON.stringify({
        name: 'x',
        task: { ...usual, ...task },
        model: { architecture: 'embedding-bag' },
        algorithm: { name: 'protonet' },
        meta: { iterations: 1, batchSize: 1 },
        ...others,
      }),
    );
  const refusals: readonly (readonly [task: object, others: object, message: RegExp])[] = [
    [{ file: '../a.csv' }, {}, /task\.file: got "\.\.\/a\.csv"; accepted: the name of a file in a data directory/],
    [
      { outside: 2 },
      {},
      /task\.outside: got 2; accepted: 0, or a label of sentences that belong to no class in task\.outsideLabel/,
    ],
    [
      { shots: 0 },
      {},
      /algorithm\.name: got protonet; accepted: zero-shot-protonet, for task\.distribution text-csv; protonet needs tasks of classes with a support set/,
    ],
    [{}, { algorithm: { name: 'zero-shot-protonet' } }, /zero-shot-protonet needs tasks whose classes are described/],
    [{}, { model: { architecture: 'mlp' } }, /model\.architecture: got mlp; accepted: embedding-bag \| transformer/],
    [
      {},
      { model: { architecture: 'transformer', dimensions: 6, heads: 4 } },
      /model\.dimensions: got 6; accepted: a multiple of model\.heads, which is 4/,
    ],
    [{ table: { size: 20_000 } }, {}, /task\.table\.size: got 20000; accepted: at most 16384/],
  ];
  for (const [task, others, message] of refusals) {
    it(`refuses ${JSON.stringify({ ...task, ...others })}`, () => {
      assert.throws(() => parse(task, others), { code: 'REQUEST_INVALID', message });
    });
  }

  it('refuses sinusoids for a model of text', () => {
    assert.throws(() => parse({}, { task: { distribution: 'sinusoid' }, algorithm: { name: 'maml' } }), {
      message:
        /model\.architecture: got embedding-bag; accepted: mlp, for task\.distribution sinusoid; embedding-bag needs tasks of tokens/,
    });
  });
});

it('the sentences of the tests are all different', () => {
  const all = [...Object.values(sentences).flat(), ...outsideSentences];
  assert.equal(new Set(all).size, all.length);
});
