// A user's own colour images, PNG and JPEG mixed, from `metatrain run` to the result table.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { metatrain } from '../support/command.ts';
import { writeImage, writeMixedShapes } from '../unit/learning/image-files.ts';

const job = `
name: own-images
task: { distribution: image-folder, folder: my-shapes, ways: 2, shots: 3, queries: 3, size: [16, 20] }
model: { architecture: conv4, filters: 8, downsampling: stride }
algorithm: { name: maml, order: first, innerSteps: 4, innerLearningRate: 0.4 }
meta: { iterations: 120, batchSize: 4, optimizer: { name: adam, learningRate: 0.005 } }
evaluation: { tasks: 100, innerSteps: 4 }
`;

/** Ten classes, of which the hashes of the names choose two for the test. */
async function placeOf(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-own-images-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const [data, cache, file] = [join(directory, 'data'), join(directory, 'cache'), join(directory, 'job.yaml')];
  mkdirSync(data);
  const classes = Array.from({ length: 10 }, (_, index) => `shape ${index}`);
  await writeMixedShapes(join(data, 'my-shapes'), classes, 6);
  writeFileSync(file, job);
  const run = (...args: string[]) =>
    metatrain(t, ['run', file, '--data-dir', data, '--workers', '1', '--slots', '1', '--no-output', ...args], {
      XDG_CACHE_HOME: cache,
    });
  return { data, cache, run };
}

test("a job on a folder of a user's own colour images ends in the result table, above chance", async (t) => {
  const { cache, run } = await placeOf(t);
  const table = await run();
  assert.equal(table.code, 0, table.stderr);
  const text = table.stdout.join('\n');
  assert.match(text, /^job +own-images {2}succeeded/m);
  assert.match(text, /^ +inner steps +ours/m);
  const [, mean, halfWidth] = /^ +4 +([0-9.]+) ± ([0-9.]+)$/m.exec(text) ?? [];
  // two classes: chance is 50 %
  assert.ok(Number(mean) - Number(halfWidth) > 75, text);
  assert.match(text, /images of the\s+folder my-shapes, 16 × 20 in colour/);
  assert.equal(readdirSync(join(cache, 'metatrain', 'data', '.cache')).length, 1, 'the decoded images are kept');
});

test('a broken image ends the job with its path and what is wrong with it', async (t) => {
  const { data, run } = await placeOf(t);
  writeImage(join(data, 'my-shapes'), 'shape 4/zz.png', Buffer.from('not an image'));
  const result = await run();
  assert.equal(result.code, 1);
  assert.match(result.stderr, /DATA_CORRUPT|not a whole folder of images/);
  assert.match(result.stderr, /shape 4\/zz\.png: it is neither a PNG nor a JPEG/);
});
