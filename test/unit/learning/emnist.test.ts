// EMNIST as tasks, from an archive of NumPy's arrays: what is drawn, which classes there are, and
// every refusal.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { byteArray } from '../../../learning/tasks/npz.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { digitArrays, npyOf } from './digit-files.ts';
import { writeImage } from './image-files.ts';
import { type ZipEntry, zipOf } from './omniglot-fixture.ts';
import { openTasks } from './open-tasks.ts';

const small = {
  distribution: 'emnist',
  file: 'digits.npz',
  ways: 2,
  queries: 2,
  splits: { train: ['0', '1', '2'], test: ['3', '4'] },
};

function open(
  t: TestContext,
  entries: readonly ZipEntry[],
  task: object = {},
  usedSplits = ['train', 'test'] as const,
) {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-emnist-'));
  t.after(() => rmSync(directory, { recursive: true }));
  writeImage(directory, 'digits.npz', zipOf(entries));
  return openTasks({ ...small, ...task }, { seed: 1, dataDirectories: [directory], usedSplits });
}

test('tasks show images of the chosen digits from 0 to 1, each in the row of its class', async (t) => {
  const entries = digitArrays(4);
  const tasks = await open(t, entries);
  const { data } = byteArray(entries[0]!.data);
  const labelOf = new Map<string, number>();
  for (let image = 0; image < 20; image++) {
    const numbers = Float32Array.from(data.subarray(image * 784, (image + 1) * 784), (level) => level / 255);
    labelOf.set(numbers.join(), image % 5);
  }
  const task = allocateTasks(tasks.facts, 1).task(0);
  tasks.sample('test', 3, task);
  const digits = (inputs: Float32Array) =>
    Array.from({ length: inputs.length / 784 }, (_, row) =>
      labelOf.get(inputs.subarray(row * 784, row * 784 + 784).join()),
    );
  const shown = digits(task.supportInputs!);
  assert.deepEqual([...shown].sort(), [3, 4]);
  assert.deepEqual(digits(task.queryInputs!), [...shown, ...shown]);
  assert.deepEqual([...task.queryTargets!], [1, 0, 0, 1, 1, 0, 0, 1]);
});

test('where tasks only evaluate and no split is named, all classes test', async (t) => {
  const tasks = await open(t, digitArrays(), { splits: undefined }, ['test'] as never);
  assert.deepEqual(tasks.classes('test').map(({ name }) => name), ['0', '1', '2', '3', '4']); // biome-ignore format: one line
  assert.match(tasks.splitDescription, /^EMNIST digits and letters of digits\.npz, 28 × 28; classes: test 5; /);
});

test('only the wanted kind of character is a class', async (t) => {
  const refused = open(t, digitArrays(), { classes: 'upper', splits: undefined });
  await assert.rejects(refused, {
    code: 'REQUEST_INVALID',
    message: /^evaluation\.split: got test; accepted: a split that has classes/,
  });
});

test('an archive that is not EMNIST is refused with what is wrong', async (t) => {
  const [images, labels] = digitArrays();
  const array = (name: string, ...array: Parameters<typeof npyOf>) => ({ name, data: npyOf(...array) });
  const bytes = (count: number, value = 0) => new Uint8Array(count).fill(value);
  const cases: [ZipEntry[], RegExp][] = [
    [[images!], /it has no array labels$/],
    [[images!, array('labels.npy', [3], bytes(3))], /its images are \[15, 28, 28\]; accepted: \[3, 28, 28\]/],
    [[images!, array('labels.npy', [15], bytes(15, 62))], /it has the label 62; accepted: 0 to 61$/],
    [[images!, array('labels.npy', [15], bytes(120), { type: '<i8' })], /labels\.npy: its numbers are <i8; accepted: bytes, \|u1$/],
    [[images!, array('labels.npy', [15], bytes(14))], /labels\.npy: it has 14 bytes of data; accepted: 15, for the shape \[15\]$/],
    [[labels!, array('images.npy', [15, 28, 28], bytes(11_760), { isFortran: true })], /images\.npy: it is in Fortran's order/],
    [[labels!, { name: 'images.npy', data: Buffer.from('no array') }], /images\.npy: it is not an array of NumPy$/],
  ]; // biome-ignore format: a table
  for (const [entries, message] of cases) await assert.rejects(open(t, entries), { code: 'DATA_CORRUPT', message });
});

test('an array is read whichever version its format has', () => {
  for (const version of [1, 2] as const) {
    const { shape, data } = byteArray(npyOf([2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6), { version }));
    assert.deepEqual(
      [shape, [...data]],
      [
        [2, 3],
        [1, 2, 3, 4, 5, 6],
      ],
    );
  }
});
