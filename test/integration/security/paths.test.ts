// No file outside the directories that an operator named: whatever a job file, an archive, a job id or a coordinator says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import { CheckpointStore } from '../../../coordinator/store/checkpoint-store.ts';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { decodeCheckpoint } from '../../../shared/checkpoint.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import {
  characterEntries,
  emptyFixture,
  smallFixture,
  type ZipEntry,
  zipOf,
} from '../../unit/learning/omniglot-fixture.ts';
import { openTasks } from '../../unit/learning/open-tasks.ts';
import { call, collect, rejection, specText, TestCluster } from '../coordinator/cluster.ts';

const commandLine = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'client', 'cli', 'main.js');
const outside = [
  '..',
  '../..',
  '../../etc/passwd',
  '/etc/passwd',
  '..\\..\\windows',
  './.',
  'a/../../b',
  '%2e%2e',
  'x\0y',
];

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-paths-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const filesIn = (directory: string) => readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();

function refusalOf(run: () => unknown): MetatrainError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof MetatrainError, String(error));
    return error;
  }
  assert.fail('nothing was refused');
}

const omniglotSpec = (task: object) => ({
  name: 'x',
  task: { distribution: 'omniglot', ways: 2, ...task },
  model: { architecture: 'conv4' },
  algorithm: { name: 'maml' },
  meta: { iterations: 1, batchSize: 1 },
});

test('a job file names data sets from a list, folders inside data directories, and neither them nor a job by a path', () => {
  for (const path of outside) {
    const dataSet = refusalOf(() => parseJobSpec(JSON.stringify(omniglotSpec({ dataSet: path }))));
    assert.equal(dataSet.code, 'REQUEST_INVALID');
    assert.match(dataSet.message, /task\.dataSet: got .*; accepted: /);
    const name = refusalOf(() => parseJobSpec(JSON.stringify({ ...omniglotSpec({}), name: path })));
    assert.match(name.message, /name: got /);
    const images = { ...omniglotSpec({}), task: { distribution: 'image-folder', folder: path } };
    const folder = refusalOf(() => parseJobSpec(JSON.stringify(images)));
    assert.match(folder.message, /task\.folder: got .*; accepted: the name of a folder in a data directory/);
    const texts = { ...omniglotSpec({}), task: { distribution: 'text-csv', file: path } };
    const file = refusalOf(() => parseJobSpec(JSON.stringify(texts)));
    assert.match(file.message, /task\.file: got .*; accepted: the name of a file in a data directory/);
    assert.match(
      refusalOf(() => parseJobSpec(JSON.stringify(omniglotSpec({ dataDir: path })))).message,
      /task\.dataDir/,
    );
  }
});

test('an alphabet is looked up among those of the archive and is never a path', async (t) => {
  const fixture = smallFixture();
  t.after(() => fixture.remove());
  const before = filesIn(fixture.directory);
  for (const path of outside) {
    const spec = parseJobSpec(
      JSON.stringify(omniglotSpec({ dataSet: 'small', alphabets: { train: [path], test: ['Greek'] } })),
    );
    const opening = openTasks(spec.task, {
      seed: 1,
      dataDirectories: [fixture.directory],
      usedSplits: ['train', 'test'],
    });
    await assert.rejects(opening, { code: 'REQUEST_INVALID', message: /task\.alphabets\.train: got / });
  }
  assert.deepEqual(filesIn(fixture.directory), before);
});

test('an archive with entries that point outside, by name or as links, is refused and writes nothing', async (t) => {
  const small = 'images_background_small1';
  const plain = characterEntries(small, 'Greek', 1, 1);
  const named = (name: string): ZipEntry[] => [...plain.slice(1), { name, data: plain[0]!.data }];
  const linkTo = (target: string): ZipEntry[] => [
    ...plain.slice(1),
    { name: plain[0]!.name, data: Buffer.from(target), unixMode: 0o120777 },
  ];
  const archives: [what: string, entries: ZipEntry[]][] = [
    ...[
      '../Greek/character01/0001_01.png',
      '/etc/character01/0001_01.png',
      `${small}/../../character01/0001_01.png`,
    ].map((name): [string, ZipEntry[]] => [name, named(name)]),
    ['a link to a file', linkTo('/etc/passwd')],
    ['a link upwards', linkTo('../../../../etc/passwd')],
  ];
  for (const [what, entries] of archives) {
    const fixture = emptyFixture();
    t.after(() => fixture.remove());
    for (const file of [small, 'images_background_small2']) fixture.write(`${file}.zip`, zipOf(entries));
    const before = filesIn(fixture.directory);
    const spec = {
      distribution: 'omniglot',
      ways: 2,
      shots: 1,
      queries: 1,
      dataSet: 'small',
      rotations: true,
    } as const;
    const opening = openTasks(spec, { seed: 1, dataDirectories: [fixture.directory], usedSplits: ['train', 'test'] });
    const error = await opening.then(
      () => assert.fail(`${what} was accepted`),
      (thrown: unknown) => thrown as MetatrainError,
    );
    assert.equal(error.code, 'DATA_CORRUPT', what);
    assert.ok(!error.message.includes('root:'), 'nothing of the file that a link points to');
    assert.deepEqual(filesIn(fixture.directory), before);
  }
});

test('a path as a job id matches no job and no checkpoint', async (t) => {
  const cluster = await TestCluster.start(t);
  for (const jobId of outside) {
    for (const action of ['GetJob', 'CancelJob', 'PauseJob', 'ResumeJob'] as const) {
      assert.equal((await rejection(call(cluster.jobs, action, { jobId }))).code, status.NOT_FOUND, jobId);
    }
    assert.equal((await rejection(collect(cluster.jobs.WatchJob({ jobId })))).code, status.NOT_FOUND);
    assert.equal((await rejection(collect(cluster.jobs.DownloadCheckpoint({ jobId })))).code, status.NOT_FOUND);
    assert.throws(() => new CheckpointStore(cluster.stateDirectory).fileOf(jobId, 1), /a job id is a plain name/);
  }
});

test("a checkpoint is written to the user's path, and a bad id writes nothing", async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('w1');
  const jobId = await cluster.submit(specText({ iterations: 2 }));
  await cluster.end(jobId);
  const directory = temporaryDirectory(t);
  const working = join(directory, 'a', 'b');
  mkdirSync(working, { recursive: true });
  const download = (...args: string[]): Promise<number> =>
    new Promise((resolve) => {
      const command = [commandLine, 'checkpoint', 'download', ...args, '--coordinator', cluster.address];
      const options = { cwd: working, timeout: 60_000 };
      execFile(process.execPath, command, options, (error) => resolve(error ? Number(error.code) : 0));
    });
  for (const id of ['../../evil', '/evil', '..']) assert.equal(await download(id), 1);
  assert.deepEqual(filesIn(directory), ['a', 'a/b']);
  assert.equal(await download(jobId, '--output', '../model.safetensors'), 0);
  assert.equal(await download(jobId), 0);
  assert.deepEqual(filesIn(directory), ['a', 'a/b', `a/b/${jobId}.safetensors`, 'a/model.safetensors']);
  const file = join(directory, 'a', 'model.safetensors');
  assert.equal(decodeCheckpoint(readFileSync(file), file).metadata.jobId, jobId);
});
