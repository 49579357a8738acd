// Several task distributions in one job: for training and for evaluation. What a job file may say, what is
// opened, and that no class of training is shown in an evaluation.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readJob } from '../../../learning/job-file.ts';
import { summariseDomains } from '../../../learning/outer-loop/evaluation-summary.ts';
import type { MetatrainError } from '../../../shared/errors.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { taskIo } from '../../../worker/learning/io.ts';
import { openTasks } from '../../../worker/learning/tasks.ts';
import { type Fixture, smallFixture } from './omniglot-fixture.ts';

let fixture: Fixture;
before(() => {
  fixture = smallFixture();
});
after(() => fixture.remove());

const characters = { distribution: 'omniglot', dataSet: 'small', ways: 2, shots: 1, queries: 2, rotations: false };
const digits = { distribution: 'emnist', file: 'emnist/digits.npz', ways: 2, shots: 1, queries: 2 };

const jobWith = (task: object, evaluation: object = {}, model: object = { architecture: 'mlp' }) =>
  readJob(
    JSON.stringify({
      name: 'domains',
      task,
      model,
      algorithm: { name: 'maml' },
      meta: { iterations: 1 },
      evaluation,
    }),
  );

const refusalOf = (...sections: Parameters<typeof jobWith>): string => {
  try {
    jobWith(...sections);
  } catch (error) {
    return (error as MetatrainError).message;
  }
  return assert.fail('nothing was refused');
};

const open = (
  job: ReturnType<typeof jobWith>,
  expectedData: readonly { name: string; part: string; sha256: string }[] = [],
) =>
  openTasks(
    job,
    taskIo({ seed: 1, dataDirectories: [fixture.directory], usedSplits: ['train', 'test'], expectedData }),
  );

test('training and evaluation draw from their own distributions, and the data of both is named', async () => {
  const job = jobWith(characters, { task: digits });
  const tasks = await open(job);
  assert.deepEqual(tasks.data.map(({ name }) => name), ['omniglot', 'emnist']); // biome-ignore format: one line
  const alone = async (task: object) => open(jobWith(task));
  const own = {
    train: await alone(characters),
    test: await alone({ ...digits, splits: { train: ['0', '1'], test: ['2', '3'] } }),
  };
  const drawnFrom = (from: typeof tasks, split: 'train' | 'test') => {
    const task = allocateTasks(job.task, 1).task(0);
    from.sample(split, 4, task);
    return task;
  };
  assert.deepEqual(drawnFrom(tasks, 'train'), drawnFrom(own.train, 'train'));
  assert.deepEqual(tasks.classes('test').map(({ name }) => name), ['0', '1', '2', '3', '4']); // biome-ignore format: one line
  assert.match(tasks.splitDescription, /^EMNIST .*classes: test 5; .*; trained on: Omniglot small set/);
  // both keep to the data that the job began with, each to its own
  assert.deepEqual((await open(job, tasks.data)).data, tasks.data);
  const [first, second] = tasks.data;
  const other = { ...second!, sha256: first!.sha256 };
  await assert.rejects(open(job, [first!, other]), { code: 'DATA_SET_DIFFERS', message: /emnist/ });
});

test('a distribution of evaluations whose tasks look otherwise is refused by the field that differs', () => {
  const refused = (task: object) => refusalOf(characters, { task });
  assert.match(refused({ ...digits, ways: 3 }), /evaluation\.task\.ways: got 3; accepted: 2, as the tasks of task have$/);
  assert.match(refused({ ...digits, queries: 3 }), /evaluation\.task\.queries: got 3; accepted: 2, as/);
  assert.match(refused({ distribution: 'sinusoid' }), /evaluation\.task\.distribution: got sinusoid, with the inputs vector \[1\]; accepted: inputs image \[28, 28, 1\], as/);
  assert.match(refused({ distribution: 'emnits' }), /evaluation\.task\.distribution: got "emnits"; accepted: .*emnist/);
  assert.match(refused({ ...digits, quaries: 1 }), /evaluation\.task\.quaries: got an unknown field; accepted: one of distribution, file, classes, /);
  assert.match(refused({ ...digits, ways: 1 }), /evaluation\.task\.ways: got 1; accepted: at least 2$/);
}); // biome-ignore format: long patterns

test('a check of the distribution names its fields inside evaluation.task', () => {
  const { message } = {
    message: refusalOf(characters, { task: { ...characters, alphabets: { train: ['A'], test: ['A'] } } }),
  };
  assert.match(
    message,
    /evaluation\.task\.alphabets\.test: got A; accepted: no alphabet of evaluation\.task\.alphabets\.train/,
  );
});

test('an evaluation that would show a class of training is refused, whichever distribution it comes from', async () => {
  const alphabets = { train: ['Tagalog', 'Early_Aramaic'], test: ['Greek'] };
  const job = jobWith(characters, { task: { ...characters, alphabets } });
  await assert.rejects(open(job), {
    code: 'REQUEST_INVALID',
    message:
      /^evaluation\.task: got a test split that would show classes of training: Greek\/character01, Greek\/character02, Greek\/character03; accepted: /,
  });
});

test('what opening refuses is named inside evaluation.task', async () => {
  const refused = (task: object) => open(jobWith({ ...characters, ways: 3 }, { task: { ...digits, ways: 3, ...task } }));
  await assert.rejects(refused({ splits: { test: ['0', '1'] } }), { code: 'REQUEST_INVALID', message: /^evaluation\.task\.ways: got 3; accepted: at most 2, the classes of the test split/ });
}); // biome-ignore format: a long pattern

describe('a mixture', () => {
  const domains = [
    { name: 'characters', weight: 3, task: characters },
    { weight: 1, task: { ...digits, splits: { train: ['0', '1', '2'], test: ['3', '4'] } } },
  ];
  const mixed = (changes: object = {}) => ({ mixture: domains.map((domain) => ({ ...domain, ...changes })) });

  test('draws each domain as often as its weight says, and the task is the domain’s own of that number', async () => {
    const job = jobWith(mixed());
    const tasks = await open(job);
    const alone = await Promise.all(domains.map(({ task }) => open(jobWith(task))));
    const { names, domainOf } = job.domains!;
    assert.deepEqual(names, ['characters', 'emnist']);
    const counts = [0, 0];
    const [own, other] = [allocateTasks(job.task, 1).task(0), allocateTasks(job.task, 1).task(0)];
    for (let number = 0; number < 400; number++) {
      const domain = domainOf(number);
      counts[domain]! += 1;
      if (number >= 20) continue;
      tasks.sample('test', number, own);
      alone[domain]!.sample('test', number, other);
      assert.deepEqual(own, other);
    }
    // 300 of 400 are expected; 35 is four standard deviations of a binomial
    assert.ok(Math.abs(counts[0]! - 300) < 35, String(counts));
    assert.deepEqual(tasks.data.map(({ name }) => name), ['omniglot', 'emnist']); // biome-ignore format: one line
    assert.match(tasks.splitDescription, /^75 % of characters: Omniglot .*; 25 % of emnist: EMNIST /);
    assert.deepEqual((await open(job, tasks.data)).data, tasks.data);
  });

  test('is a section without the name of a distribution, and its defaults are filled in', () => {
    const { task } = jobWith({ mixture: [{ task: { distribution: 'sinusoid' } }, { weight: 2, task: { distribution: 'linear' } }] }).spec;
    const [sinusoid, linear] = (task as unknown as { mixture: { name: string; weight: number; task: object }[] }).mixture;
    assert.equal(task.distribution, 'mixture');
    assert.deepEqual([sinusoid!.name, sinusoid!.weight, linear!.name, linear!.weight], ['sinusoid', 1, 'linear', 2]);
    assert.deepEqual(linear!.task, { distribution: 'linear', shots: 5, queries: 5, slope: [-3, 3], intercept: [-3, 3], input: [-5, 5] });
  });

  test('is refused by the field that is wrong', () => {
    const of = (...tasks: object[]) => ({ mixture: tasks.map((task) => ({ task })) });
    const [sinusoid, clinc] = [{ distribution: 'sinusoid' }, { distribution: 'clinc150' }];
    for (const [task, message] of [
      [of(characters, { ...digits, ways: 3 }), /task\.mixture\.1\.task\.ways: got 3; accepted: 2, as the tasks of task\.mixture\.0\.task have$/],
      [of(characters, sinusoid), /task\.mixture\.1\.task\.distribution: got sinusoid, with the inputs vector \[1\]; accepted: inputs image \[28, 28, 1\], as/],
      [of(sinusoid, sinusoid), /task\.mixture\.1\.name: got sinusoid; accepted: a name of its own for each domain$/],
      [of(sinusoid), /task\.mixture: got .*; accepted: at least 2 items$/],
      [of(sinusoid, of(sinusoid, sinusoid)), /task\.mixture\.1\.task\.distribution: got nothing; accepted: sinusoid \| .*clinc150$/],
      [of(sinusoid, { ...sinusoid, shotz: 1 }), /task\.mixture\.1\.task\.shotz: got an unknown field; accepted: one of distribution, shots, /],
      [of(sinusoid, { ...sinusoid, amplitude: [2, 1] }), /task\.mixture\.1\.task\.amplitude: got \[2, 1\]; accepted: a range/],
      [mixed({ weight: 0 }), /task\.mixture\.0\.weight: got 0; accepted: more than 0/],
      [mixed({ name: 'Two Words' }), /task\.mixture\.0\.name: got "Two Words"; accepted: lower-case words/],
    ] as const) {
      assert.match(refusalOf(task), message);
    } // biome-ignore format: a table
    assert.match(refusalOf(mixed(), { tasks: 2 }), /evaluation\.tasks: got 2, \d of them of the domain \w+; accepted: so many that every domain has two$/);
    const texts = { task: of(clinc, clinc), model: { architecture: 'embedding-bag' } };
    assert.match(refusalOf(texts.task, {}, texts.model), /task\.mixture\.1\.task\.distribution: got clinc150; accepted: a distribution without text/);
    const nested = refusalOf(characters, { task: of(characters, { ...characters, alphabets: { train: ['A'], test: ['A'] } }) });
    assert.match(nested, /evaluation\.task\.mixture\.1\.task\.alphabets\.test: got A; accepted: no alphabet of evaluation\.task\.mixture\.1\.task\.alphabets\.train/);
  });

  test('shows in no evaluation a class that another domain trains on', async () => {
    const alphabets = { train: ['Tagalog', 'Early_Aramaic'], test: ['Greek'] };
    const job = jobWith({ mixture: [{ task: characters }, { name: 'greek', task: { ...characters, alphabets } }] });
    await assert.rejects(open(job), { message: /that would show classes of training: omniglot: Early_Aramaic\/character01 \(as greek: Early_Aramaic\/character01\), / });
  });

  test('is measured by domain: the mean over the tasks of each, and tasks that diverged in none', () => {
    const { domains, measures } = jobWith(mixed(), { innerSteps: 1, tasks: 40 });
    const [losses, accuracies] = measures.evaluate;
    assert.deepEqual(domains!.heads.map(({ name, axis, points, better }) => [name, axis, points, better]), [
      ['loss-by-domain', 'domain', ['characters', 'emnist'], 'lower'],
      ['accuracy-by-domain', 'domain', ['characters', 'emnist'], 'higher'],
    ]);
    const shard = (loss: number[], accuracy: number[]) => [{ name: 'loss', values: loss }, { name: 'accuracy', values: accuracy }];
    const shards = [shard([9, 1, 9, 2], [0, 0.5, 0, 0.25]), shard([9, 4, 9, Number.NaN], [0, 1, 0, 0])];
    const domainOf = (task: number) => [0, 1, 0, 1][task]!;
    const [loss, accuracy] = summariseDomains(shards, [losses!, accuracies!], { ...domains!, domainOf });
    // the last point alone: tasks 0 and 2 are of the first domain, 1 and 3 of the second
    assert.deepEqual(loss!.estimates, [{ mean: 2.5, halfWidth95: (1.96 * 1.5) / Math.sqrt(2) }, { mean: 2, halfWidth95: 0 }]);
    assert.deepEqual(accuracy!.estimates.map(({ mean }) => mean), [0.75, 0.125]);
  });
}); // biome-ignore format: tables and long patterns
