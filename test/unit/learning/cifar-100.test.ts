// CIFAR-FS and FC100 from an archive in the format of CIFAR-100's binary version: what is drawn, from which
// classes, and every refusal.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { cifarFs } from '../../../learning/tasks/cifar-fs.ts';
import { fc100 } from '../../../learning/tasks/fc100.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { type CifarOptions, pixelsOf, writeCifar100 } from './cifar-files.ts';
import { cifarNames } from './cifar-names.ts';
import { openTasks } from './open-tasks.ts';

const directory = mkdtempSync(join(tmpdir(), 'metatrain-cifar-'));
const whole: CifarOptions = { ...cifarNames, images: 3 };
let archive: string;
before(() => {
  archive = writeCifar100(directory, whole);
});
after(() => rmSync(directory, { recursive: true, force: true }));

const open = (distribution: string, at = directory) =>
  openTasks(
    { distribution, ways: 2, shots: 1, queries: 2 },
    { seed: 1, dataDirectories: [at], usedSplits: ['train', 'validation', 'test'] },
  );

const splits = ['train', 'validation', 'test'] as const;

describe('tasks of CIFAR-100', () => {
  it('show images of the split, red, green and blue of a pixel side by side, from 0 to 1', async () => {
    const tasks = await open('cifar-fs');
    assert.deepEqual(tasks.facts.input, [32, 32, 3]);
    const known = new Map(
      cifarNames.classes.flatMap((name, label) =>
        [0, 1, 2].map((example) => {
          const planes = pixelsOf(label, example);
          const pixels = Float32Array.from(
            { length: 3072 },
            (_, at) => planes[(at % 3) * 1024 + Math.floor(at / 3)]! / 255,
          );
          return [pixels.join(), name] as const;
        }),
      ),
    );
    const own = new Set(tasks.classes('test').map(({ name }) => name));
    const task = allocateTasks(tasks.facts, 1).task(0);
    tasks.sample('test', 4, task);
    const shown = [0, 1].map((row) => known.get(task.supportInputs!.subarray(row * 3072, (row + 1) * 3072).join())!);
    assert.ok(shown.every((name) => own.has(name)) && shown[0] !== shown[1], shown.join());
    for (let row = 0; row < 4; row++) {
      assert.equal(known.get(task.queryInputs!.subarray(row * 3072, (row + 1) * 3072).join()), shown[row % 2]);
    }
  });

  it('are cut as the papers say: 64, 16 and 20 classes, and 12, 4 and 4 superclasses', async () => {
    for (const [name, counts] of [
      ['cifar-fs', [64, 16, 20]],
      ['fc100', [60, 20, 20]],
    ] as const) {
      const tasks = await open(name);
      assert.deepEqual(
        splits.map((split) => tasks.classes(split).length),
        counts,
      );
      assert.match(tasks.splitDescription, /train \d+, validation \d+, test 20; class lists sha256 [0-9a-f]{64}$/);
    }
  });

  it('are of superclasses that no two splits share, in FC100', async () => {
    const tasks = await open('fc100');
    const superclassOf = ({ name }: { name: string }) => Math.floor(cifarNames.classes.indexOf(name) / 5);
    const [train, validation, test] = splits.map((split) => new Set(tasks.classes(split).map(superclassOf)));
    assert.deepEqual([train!.size, validation!.size, test!.size], [12, 4, 4]);
    assert.equal(new Set([...train!, ...validation!, ...test!]).size, 20);
  });

  it('leave out of a later split what an earlier one shows, and say so', async (t) => {
    const other = mkdtempSync(join(tmpdir(), 'metatrain-cifar-'));
    t.after(() => rmSync(other, { recursive: true, force: true }));
    const label = (name: string) => cifarNames.classes.indexOf(name);
    // the image of "baby", a test class of CIFAR-FS, becomes that of "turtle", which trains
    writeCifar100(other, {
      ...whole,
      images: 4,
      change(name, content) {
        if (name === 'train.bin') {
          const at = (of: string) => label(of) * 3074 + 2;
          content.copy(content, at('baby'), at('turtle'), at('turtle') + 3072);
        }
        return content;
      },
    });
    const tasks = await open('cifar-fs', other);
    assert.match(
      tasks.splitDescription,
      /^CIFAR-FS, 32 × 32 photographs of CIFAR-100 without 1 that an earlier split has too; /,
    );
  });
});

describe('an archive of CIFAR-100', () => {
  const refusals: readonly (readonly [what: string, change: NonNullable<CifarOptions['change']>, message: RegExp])[] = [
    [
      'half a record',
      (name, content) => (name === 'test.bin' ? content.subarray(1) : content),
      /test\.bin has \d+ bytes; accepted: records of 3074 bytes/,
    ],
    [
      'an unknown class',
      (name, content) =>
        name === 'train.bin' ? Buffer.from(content.map((byte, i) => (i === 1 ? 250 : byte))) : content,
      /record 0 of train\.bin is of superclass 0 and class 250; accepted: below 20 and 100/,
    ],
    [
      'a class of two superclasses',
      (name, content) => (name === 'test.bin' ? Buffer.from(content.map((byte, i) => (i === 0 ? 7 : byte))) : content),
      /test\.bin, image 0 is of class apple, but of another superclass than train\.bin, image 0/,
    ],
    [
      'other names',
      (name, content) => (name.startsWith('fine') ? Buffer.from(String(content).replace('baby', 'child')) : content),
      /it has no image of baby, which CIFAR-FS needs/,
    ],
  ];
  for (const [what, change, message] of refusals) {
    it(`with ${what} is refused`, async (t) => {
      const other = mkdtempSync(join(tmpdir(), 'metatrain-cifar-'));
      t.after(() => rmSync(other, { recursive: true, force: true }));
      writeCifar100(other, { ...whole, change });
      await assert.rejects(open('cifar-fs', other), { code: 'DATA_CORRUPT', message });
    });
  }

  it('that is cut off is refused, and one that is not there is named with the command that fetches it', async (t) => {
    const other = mkdtempSync(join(tmpdir(), 'metatrain-cifar-'));
    t.after(() => rmSync(other, { recursive: true, force: true }));
    await assert.rejects(open('fc100', other), {
      code: 'DATA_SET_MISSING',
      message: /metatrain datasets fetch cifar-100/,
    });
    writeFileSync(join(other, 'cifar-100-binary.tar.gz'), readFileSync(archive).subarray(0, 1000));
    await assert.rejects(open('fc100', other), {
      code: 'DATA_CORRUPT',
      message: /is not CIFAR-100's archive in its binary version/,
    });
  });

  it('gives a class at most its 600 images', () => {
    const job = { spec: {}, task: {} } as never;
    for (const { check } of [cifarFs, fc100]) {
      assert.deepEqual(check!({ ways: 5, shots: 1, queries: 599 }, job), []);
      assert.equal(check!({ ways: 5, shots: 2, queries: 599 }, job)[0]!.field, 'task.queries');
    }
  });
});
