// The cache of bytes on the disk: what is kept is read again, what is broken is made anew, several writers, the bound.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { kept } from '../../../worker/learning/files/kept.ts';

const bytes = Uint8Array.of(1, 2, 3, 4, 5);
const key = 'ab'.repeat(32);

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-kept-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Counts how often the bytes are made. */
function maker(made: Uint8Array = bytes) {
  const count = { times: 0 };
  const make = async () => {
    count.times++;
    return made;
  };
  return { count, make };
}

test('bytes are made once, and read from the disk by those who come later', async (t) => {
  const directory = join(temporaryDirectory(t), 'not', 'there', 'yet');
  const { count, make } = maker();
  for (let time = 0; time < 3; time++)
    assert.deepEqual(Buffer.from(await kept({ directory }, key, 5, make)), Buffer.from(bytes));
  assert.equal(count.times, 1);
  assert.deepEqual(readdirSync(directory), [key]);
});

const damages: readonly (readonly [what: string, damage: (file: Buffer) => Buffer])[] = [
  ['a changed byte', (file) => Buffer.concat([file.subarray(0, -1), Buffer.of(file.at(-1)! ^ 1)])],
  ['a changed hash', (file) => Buffer.concat([Buffer.of(file[0]! ^ 1), file.subarray(1)])],
  ['an end that is missing', (file) => file.subarray(0, -2)],
  ['bytes behind its end', (file) => Buffer.concat([file, Buffer.of(0)])],
  ['nothing in it', () => Buffer.alloc(0)],
];
for (const [what, damage] of damages) {
  test(`a file with ${what} is made anew and replaced`, async (t) => {
    const directory = temporaryDirectory(t);
    const { count, make } = maker();
    await kept({ directory }, key, 5, make);
    const path = join(directory, key);
    const whole = readFileSync(path);
    writeFileSync(path, damage(whole));
    assert.deepEqual(Buffer.from(await kept({ directory }, key, 5, make)), Buffer.from(bytes));
    assert.equal(count.times, 2);
    assert.deepEqual(readFileSync(path), whole);
  });
}

test('several writers of one key leave one whole file', async (t) => {
  const directory = temporaryDirectory(t);
  const { make } = maker();
  await Promise.all(Array.from({ length: 8 }, () => kept({ directory }, key, 5, make)));
  assert.deepEqual(readdirSync(directory), [key]);
  const again = maker();
  await kept({ directory }, key, 5, again.make);
  assert.equal(again.count.times, 0);
});

test('where nothing can be written, the bytes are made each time', async (t) => {
  const file = join(temporaryDirectory(t), 'file');
  writeFileSync(file, 'no folder');
  const { count, make } = maker();
  for (let time = 0; time < 2; time++) assert.equal(await kept({ directory: join(file, 'x') }, key, 5, make), bytes);
  assert.equal(count.times, 2);
});

test('a failure to make the bytes is thrown and leaves nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const broken = new Error('broken');
  await assert.rejects(
    kept({ directory }, key, 5, () => Promise.reject(broken)),
    broken,
  );
  assert.deepEqual(readdirSync(directory), []);
});

test('the oldest files go when all exceed the bound, half-written ones too; what exceeds it alone is not kept', async (t) => {
  const directory = temporaryDirectory(t);
  const options = { directory, maxBytes: 2 * (32 + 5) };
  const [first, second, third] = ['1', '2', '3'].map((digit) => digit.repeat(64)) as [string, string, string];
  const { make } = maker();
  const aged = async (name: string, seconds: number) => {
    await kept(options, name, 5, make);
    utimesSync(join(directory, name), seconds, seconds);
  };
  writeFileSync(join(directory, `${first}.dead.part`), bytes);
  utimesSync(join(directory, `${first}.dead.part`), 1, 1);
  await aged(first, 100);
  await aged(second, 200);
  assert.deepEqual(readdirSync(directory).sort(), [first, second]);
  await kept(options, third, 5, make);
  assert.deepEqual(readdirSync(directory).sort(), [second, third]);
  await kept(options, key, 100, maker(new Uint8Array(100)).make);
  assert.ok(!existsSync(join(directory, key)));
});
