// The real Omniglot zips: what is in them, bytes against Pillow's, and the fixed split of the small sets.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { hashOfCharacters, readArchives } from '../../../learning/tasks/omniglot-archive.ts';
import { omniglotFiles } from '../../../learning/tasks/omniglot-files.ts';
import { isOfficial } from '../../../shared/data-sets.ts';
import { taskIo } from '../../../worker/learning/io.ts';
import { omniglotDirectory, withoutOmniglot } from '../../support/needs.ts';
import { openTasks, type TaskContext } from '../../unit/learning/open-tasks.ts';

const spec = {
  distribution: 'omniglot',
  ways: 5,
  shots: 1,
  queries: 15,
  dataSet: 'small',
  rotations: true,
} as const;
const context: TaskContext = { seed: 1, dataDirectories: [omniglotDirectory], usedSplits: ['train', 'test'] };
const io = taskIo(context);

describe('the real small Omniglot sets', { skip: withoutOmniglot('the real Omniglot images') }, () => {
  const paths = ['images_background_small1.zip', 'images_background_small2.zip'].map(
    (f) => `${omniglotDirectory}/${f}`,
  );

  it('hold 242 characters of 8 alphabets, Greek and Latin in both zips and counted once', async () => {
    const characters = await readArchives(paths, io);
    const counts: Record<string, number> = {};
    for (const { alphabet } of characters) counts[alphabet] = (counts[alphabet] ?? 0) + 1;
    assert.deepEqual(counts, {
      Balinese: 24,
      Early_Aramaic: 22,
      Greek: 24,
      'Japanese_(katakana)': 47,
      Korean: 40,
      Latin: 26,
      Sanskrit: 42,
      Tagalog: 17,
    });
    assert.equal(new Set(characters.map(({ sha256 }) => sha256)).size, 242);
  });

  it("are shrunk to Pillow's bytes, all 4,840 drawings", async () => {
    // Pillow 13: 255 − convert('L').resize((28, 28), LANCZOS), drawings in order of their paths without the set's name
    const hash = createHash('sha256');
    for (const { drawings } of await readArchives(paths, io)) hash.update(drawings);
    assert.equal(hash.digest('hex'), '403f52e91de7521fbee053bc21cd71aa2d9a2dca68b3882900f2f218221879d7');
  });

  for (const part of ['small', 'full'] as const) {
    const files = omniglotFiles.files
      .filter((file) => file.part === part)
      .map(({ file }) => `${omniglotDirectory}/${file}`);
    const skip = files.every((file) => existsSync(file)) ? false : `the ${part} set is not here`;
    it(`of the ${part} set are the official drawings`, { skip }, async () => {
      const sha256 = hashOfCharacters(await readArchives(files, io));
      assert.ok(isOfficial(omniglotFiles, { name: 'omniglot', part, sha256 }), sha256);
    });
  }

  it('split into 812 training and 156 test classes, with the class lists of this hash', async () => {
    const distribution = await openTasks({ ...spec }, context);
    assert.equal(
      distribution.splitDescription,
      'Omniglot small set, 28 × 28; classes are characters × 4 rotations: train 812, test 156; ' +
        'class lists sha256 6a6c20d6c37c37923d59212cc30ecb55436086ed92e3371f9efef03eccbb7f57',
    );
    const alphabets = new Set(distribution.classes('test').map(({ name }) => name.split('/')[0]));
    assert.deepEqual(alphabets, new Set(['Early_Aramaic', 'Tagalog']));
  });

  it('are found in a data directory and in its folder omniglot', async () => {
    const parent = await openTasks(
      { ...spec, dataSet: 'auto' },
      { ...context, dataDirectories: [`${omniglotDirectory}/..`] },
    );
    const here = await openTasks({ ...spec, dataSet: 'auto' }, context);
    assert.equal(parent.splitDescription, here.splitDescription);
  });
});
