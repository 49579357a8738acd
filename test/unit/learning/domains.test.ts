// Several task distributions in one job: for training and for evaluation. What a job file may say, what is
// opened, and that no class of training is shown in an evaluation.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readJob } from '../../../learning/job-file.ts';
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

const jobWith = (task: object, evaluation: object = {}) =>
  readJob(
    JSON.stringify({
      name: 'domains',
      task,
      model: { architecture: 'mlp' },
      algorithm: { name: 'maml' },
      meta: { iterations: 1 },
      evaluation,
    }),
  );

const refusalOf = (task: object, evaluation: object = {}): string => {
  try {
    jobWith(task, evaluation);
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
