// What goes wrong at the command line: the message says what, where and what is accepted; the exit code is the promised one; a person
// never sees a stack trace.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { packageRoot } from '../../shared/wire.ts';
import { metatrain, resultOf, startCommand } from '../support/command.ts';
import { dataDirectory, withoutOmniglot } from '../support/needs.ts';

const sinusoid = join(packageRoot, 'examples', 'sinusoid.yaml');
const omniglot = join(packageRoot, 'examples', 'omniglot-5way-1shot.yaml');

interface Complaint {
  readonly args: readonly string[];
  readonly code: 1 | 2;
  /** What stderr must say. */
  readonly says: RegExp;
  /** The code of the `--json` record; absent for `coordinator` and `worker`, which have none. */
  readonly json?: string;
}

const run = (...flags: string[]): readonly string[] => ['run', sinusoid, ...flags];
const set = (field: string): readonly string[] => run('--set', field);
const nobody = ['--coordinator', '127.0.0.1:1'];

const complaints: Readonly<Record<string, Complaint>> = {
  'an unknown field': {
    args: set('meta.iteratons=3'),
    code: 1,
    says: /^error: invalid job: meta\.iteratons: got an unknown field; accepted: one of iterations, batchSize, /m,
    json: 'REQUEST_INVALID',
  },
  'a text in the place of a number': {
    args: set('meta.iterations=many'),
    code: 1,
    says: /^error: invalid job: meta\.iterations: got "many"; accepted: a number$/m,
    json: 'REQUEST_INVALID',
  },
  'no shots': {
    args: set('task.shots=0'),
    code: 1,
    says: /^error: invalid job: task\.shots: got 0; accepted: at least 1/m,
    json: 'REQUEST_INVALID',
  },
  'a shard larger than the meta-batch': {
    args: set('placement.shardSize=26'),
    code: 1,
    says: /^error: invalid job: placement\.shardSize: got 26; accepted: at most meta\.batchSize, which is 25/m,
    json: 'REQUEST_INVALID',
  },
  'an algorithm that does not exist': {
    args: set('algorithm.name=mamml'),
    code: 1,
    says: /^error: invalid job: algorithm\.name: got "mamml"; accepted: .*maml \| .*reptile/m,
    json: 'REQUEST_INVALID',
  },
  'a path into a number': {
    args: set('seed.deep=1'),
    code: 1,
    says: /^error: invalid job: seed\.deep: got a path that leads nowhere; accepted: path\.to\.field of the job file/m,
    json: 'REQUEST_INVALID',
  },
  'two mistakes at once': {
    args: run('--set', 'task.shots=0', '--set', 'seed=-1'),
    code: 1,
    says: /^error: invalid job:\n {2}.*seed: got -1[\s\S]*task\.shots: got 0/m,
    json: 'REQUEST_INVALID',
  },
  'an override without a value': {
    args: set('meta.iterations'),
    code: 2,
    says: /'meta\.iterations' is invalid\. it must be path\.to\.field=value, such as meta\.iterations=500/,
    json: 'REQUEST_INVALID',
  },
  'a gate without the watch that it would end': {
    args: ['submit', sinusoid, '--gate', ...nobody],
    code: 1,
    says: /^error: --gate needs --watch$/m,
    json: 'REQUEST_INVALID',
  },
  'a gate before a job without a figure': {
    args: ['run', join(packageRoot, 'examples', 'sinusoid-reptile.yaml'), '--gate'],
    code: 1,
    says: /^error: --gate: the job file has no published figure; accepted: a job file with one$/m,
    json: 'REQUEST_INVALID',
  },
  'a model file in a directory that is not there': {
    args: run('--output', '/nowhere/model.safetensors'),
    code: 1,
    says: /^error: --output: cannot write \/nowhere\/model\.safetensors: ENOENT.* or --no-output$/m,
    json: 'REQUEST_INVALID',
  },
  'a job file that is not there': {
    args: ['run', '/nowhere/job.yaml'],
    code: 1,
    says: /^error: cannot read the job file \/nowhere\/job\.yaml: there is no such file$/m,
    json: 'REQUEST_INVALID',
  },
  'a directory as job file': {
    args: ['run', packageRoot],
    code: 1,
    says: /^error: cannot read the job file .*: it is a directory$/m,
    json: 'REQUEST_INVALID',
  },
  'no workers': {
    args: run('--workers', '0'),
    code: 2,
    says: /--workers <count>' argument '0' is invalid\. it must be a whole number from 1 to 256/,
    json: 'REQUEST_INVALID',
  },
  'a command that does not exist': {
    args: ['sumbit', sinusoid],
    code: 2,
    says: /^error: unknown command 'sumbit'\n\(Did you mean submit\?\)/m,
    json: 'REQUEST_INVALID',
  },
  'a flag that does not exist': {
    args: run('--worker', '2'),
    code: 2,
    says: /^error: unknown option '--worker'\n\(Did you mean --workers\?\)/m,
    json: 'REQUEST_INVALID',
  },
  'an address that is none': {
    args: ['jobs', '--coordinator', 'localhost'],
    code: 2,
    says: /argument 'localhost' is invalid\. it must be HOST:PORT, such as 127\.0\.0\.1:7420/,
    json: 'REQUEST_INVALID',
  },
  'a coordinator that does not answer': {
    args: ['jobs', ...nobody],
    code: 1,
    says: /^error: nothing listens at 127\.0\.0\.1:1; start a coordinator with `metatrain up`, or name another with --coordinator HOST:PORT$/m,
    json: 'NOT_READY',
  },
  'a submit to nobody': {
    args: ['submit', sinusoid, ...nobody],
    code: 1,
    says: /^error: nothing listens at 127\.0\.0\.1:1; /m,
    json: 'NOT_READY',
  },
  'a download from nobody': {
    args: ['checkpoint', 'download', 'some-job', '--output', join(tmpdir(), 'never.safetensors'), ...nobody],
    code: 1,
    says: /^error: nothing listens at 127\.0\.0\.1:1; /m,
    json: 'NOT_READY',
  },
  'a download into a folder that is not there': {
    args: ['checkpoint', 'download', 'some-job', '--output', '/nowhere/model.safetensors', ...nobody],
    code: 1,
    says: /^error: cannot write \/nowhere\/model\.safetensors: ENOENT/m,
    json: 'REQUEST_INVALID',
  },
  'a data set that does not exist': {
    args: ['datasets', 'fetch', 'imagenet'],
    code: 1,
    says: /^error: there is no data set imagenet; there are: .*omniglot/m,
    json: 'REQUEST_INVALID',
  },
  'a part that a data set does not have': {
    args: ['datasets', 'fetch', 'omniglot', '--part', 'tiny'],
    code: 1,
    says: /^error: omniglot has no part tiny; it has: full, small/m,
    json: 'REQUEST_INVALID',
  },
  'a state that no job has': {
    args: ['jobs', 'list', '--state', 'happy'],
    code: 2,
    says: /argument 'happy' is invalid\. it must be one of queued, running, paused, succeeded, failed, cancelled/,
    json: 'REQUEST_INVALID',
  },
  "a coordinator's bad address": {
    args: ['coordinator', '--listen', 'nope'],
    code: 2,
    says: /argument 'nope' is invalid\. Accepted: HOST:PORT/,
  },
  "a worker's bad slots": {
    args: ['worker', '--slots', '0'],
    code: 2,
    says: /argument '0' is invalid\. Accepted: a whole number from 1 to 256/,
  },
  'a state directory that cannot be made': {
    args: ['coordinator', '--listen', '127.0.0.1:0', '--state-dir', join(sinusoid, 'state')],
    code: 1,
    says: /^metatrain coordinator: state directory .*sinusoid\.yaml\/state: ENOTDIR.*; give one that can be written to/m,
  },
};

async function assertComplains(
  t: TestContext,
  { args, code, says, json }: Complaint,
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  const result = await metatrain(t, [...args, ...(json ? ['--json'] : [])], environment);
  assert.equal(result.code, code, result.stderr);
  assert.match(result.stderr, says);
  assert.doesNotMatch(result.stderr, / {4}at /, 'no stack trace');
  if (!json) return;
  const { error } = result.json<{ error: { code: string; message: string } }>();
  assert.equal(error.code, json);
  assert.ok(error.message.length > 0 && !error.message.startsWith('error:'));
}

test('every mistake at the command line is explained', async (t) => {
  // Few at a time: each is a process of its own.
  const waiting = Object.entries(complaints);
  const take = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [name, complaint] = next;
      await t.test(name, (t) => assertComplains(t, complaint));
    }
  };
  await Promise.all([take(), take()]);
});

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-e2e-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('a job file on stdin is checked like any other', async (t) => {
  const command = startCommand(t, ['run', '-', '--json']);
  command.child.stdin?.end(`${readFileSync(sinusoid, 'utf8')}\nzeal: 1\n`);
  const result = await resultOf(command);
  assert.equal(result.code, 1, result.stderr);
  assert.match(result.stderr, /^error: invalid job: zeal: got an unknown field; accepted: one of name, tags, seed, /m);
});

test('a port that is taken and a state directory that is in use are named, with what to do', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.after(() => taken.close());
  const address = `127.0.0.1:${(taken.address() as { port: number }).port}`;
  const directory = temporaryDirectory(t);
  const portInUse = new RegExp(`${address} is in use; choose another port with --listen HOST:PORT`);
  await assertComplains(t, {
    args: ['coordinator', '--listen', address, '--state-dir', directory],
    code: 1,
    says: portInUse,
  });
  await assertComplains(t, {
    args: ['up', '--workers', '1', '--slots', '1', '--listen', address],
    code: 1,
    says: portInUse,
    json: 'NOT_READY',
  });
  const owner = startCommand(t, ['coordinator', '--listen', '127.0.0.1:0', '--state-dir', directory]);
  await owner.ready();
  await assertComplains(t, {
    args: run('--state-dir', directory),
    code: 1,
    says: /state directory .* is in use by another coordinator; stop it, or give this one another directory \(--state-dir\)/,
    json: 'NOT_READY',
  });
  owner.signal('SIGTERM');
  assert.equal((await owner.exited).code, 0, owner.stderr);
});

/** The record of a job that a worker could not begin. */
async function refusedRun(t: TestContext, flags: readonly string[], environment: Readonly<Record<string, string>>) {
  const result = await metatrain(
    t,
    ['run', omniglot, '--workers', '1', '--slots', '1', ...flags, '--json'],
    environment,
  );
  assert.equal(result.code, 1, result.stderr);
  assert.doesNotMatch(result.stderr, / {4}at /);
  const { state, error } = result.json<{ state: string; error: { code: string; message: string } }>();
  assert.equal(state, 'FAILED');
  return error;
}

test('a data set that is missing is said to be, with where it was looked for and how to get it', async (t) => {
  const directory = temporaryDirectory(t);
  const error = await refusedRun(t, ['--data-dir', directory], { XDG_CACHE_HOME: directory });
  assert.ok(error.message.includes(directory), error.message);
  assert.match(error.message, /metatrain datasets fetch omniglot/);
});

test('a data set that is damaged is said to be, with the file', async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'omniglot'));
  for (const part of ['small1', 'small2']) {
    writeFileSync(join(directory, 'omniglot', `images_background_${part}.zip`), 'PK\u0003\u0004 and no more');
  }
  const error = await refusedRun(t, ['--data-dir', directory], { XDG_CACHE_HOME: directory });
  assert.match(error.message, /images_background_small1\.zip/);
});

test('more ways than the data set has classes are refused with how many there are', {
  skip: withoutOmniglot('more ways than classes, from the command line'),
}, async (t) => {
  const error = await refusedRun(t, ['--set', 'task.ways=900', '--data-dir', dataDirectory], {});
  assert.equal(error.code, 'REQUEST_INVALID');
  assert.match(error.message, /task\.ways: got 900; accepted: at most 812, the classes of the train split/);
});
