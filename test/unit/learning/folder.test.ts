// Finding, listing and reading a user's folder in the data directories, and no folder outside them.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { findFile, findFolder, listFolder, readWhole } from '../../../worker/learning/files/folder.ts';

function twoDirectories(t: TestContext): [string, string] {
  const parent = mkdtempSync(join(tmpdir(), 'metatrain-folder-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const directories: [string, string] = [join(parent, 'first'), join(parent, 'second')];
  for (const directory of directories) mkdirSync(directory);
  mkdirSync(join(parent, 'outside'));
  return directories;
}

test('a folder is the first of its name in the data directories, and a file is none', (t) => {
  const [first, second] = twoDirectories(t);
  mkdirSync(join(second, 'birds', 'small'), { recursive: true });
  const searched = [join(first, 'birds/small'), join(second, 'birds/small')];
  assert.deepEqual(findFolder('birds/small', [first, second]), { path: searched[1], searched });
  writeFileSync(join(first, 'birds'), 'a file');
  assert.equal(findFolder('birds', [first, second]).path, join(second, 'birds'));
  assert.deepEqual(findFolder('fish', [first]), { path: undefined, searched: [join(first, 'fish')] });
});

test('a file is the first of its name in the data directories, and a folder is none', (t) => {
  const [first, second] = twoDirectories(t);
  mkdirSync(join(first, 'a.csv'));
  writeFileSync(join(second, 'a.csv'), 'text,label');
  const searched = [join(first, 'a.csv'), join(second, 'a.csv')];
  assert.deepEqual(findFile('a.csv', [first, second]), { path: searched[1], searched });
  assert.throws(() => findFile('../a.csv', [first]), { code: 'REQUEST_INVALID', message: /^a data file: got / });
});

for (const name of [
  '../outside',
  '..',
  '.',
  '/etc',
  'a/../../outside',
  '..\\outside',
  'a//b',
  '',
  '.cache',
  'a/.git',
  'x\0y',
  'C:x',
  'a/',
]) {
  test(`the name ${JSON.stringify(name)} is refused`, (t) => {
    assert.throws(() => findFolder(name, twoDirectories(t)), {
      code: 'REQUEST_INVALID',
      message: /^a data folder: got ".*"; accepted: /,
    });
  });
}

test('a list is sorted by code units and leaves hidden names out; a link counts as what it leads to', (t) => {
  const [directory, other] = twoDirectories(t);
  for (const name of ['b', 'a', 'B']) mkdirSync(join(directory, name));
  for (const name of ['c.png', '.DS_Store']) writeFileSync(join(directory, name), '');
  symlinkSync(other, join(directory, 'link'));
  symlinkSync(join(other, 'nothing'), join(directory, 'dead.png'));
  assert.deepEqual(listFolder(directory), [
    { name: 'B', isFolder: true },
    { name: 'a', isFolder: true },
    { name: 'b', isFolder: true },
    { name: 'c.png', isFolder: false },
    { name: 'dead.png', isFolder: false },
    { name: 'link', isFolder: true },
  ]);
});

test('a file is read whole up to the bound', async (t) => {
  const [directory] = twoDirectories(t);
  const path = join(directory, 'file');
  writeFileSync(path, 'four');
  assert.equal(Buffer.from(await readWhole(path, 4)).toString(), 'four');
  await assert.rejects(readWhole(path, 3), { message: 'it has 4 bytes; accepted: at most 3' });
  await assert.rejects(readWhole(directory, 3), { message: 'it is not a file' });
  await assert.rejects(readWhole(join(directory, 'nothing'), 3), { code: 'ENOENT' });
});
