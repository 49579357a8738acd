// A day with a cluster, by the real command: start it, submit, look, hold back, go on, end, fetch, stop it, start it again.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Job } from '../../client/index.ts';
import { decodeCheckpoint } from '../../shared/checkpoint.ts';
import { packageRoot } from '../../shared/wire.ts';
import { type CommandResult, metatrain, resultOf, startCommand } from '../support/command.ts';
import type { TestProcess } from '../support/processes.ts';

const jobFile = join(packageRoot, 'examples', 'sinusoid.yaml');
const short = ['--set', 'meta.iterations=20', '--set', 'evaluation.tasks=10'];
const endless = [
  '--set',
  'meta.iterations=1000000',
  '--set',
  'meta.schedule={name: constant}',
  '--set',
  'name=endless',
];

interface Up {
  readonly process: TestProcess;
  readonly coordinator: string;
  readonly workers: readonly string[];
  /** Runs a command against this cluster; it must end with `code`. */
  command(args: readonly string[], code?: number): Promise<CommandResult>;
}

async function up(t: TestContext, stateDirectory: string): Promise<Up> {
  const flags = [
    '--workers',
    '1',
    '--slots',
    '1',
    '--listen',
    '127.0.0.1:0',
    '--state-dir',
    stateDirectory,
    '--log-level',
    'warn',
  ];
  const process = startCommand(t, ['up', ...flags, '--json']);
  const { coordinator, workers } = await process.ready<{ coordinator: string; workers: string[] }>();
  return {
    process,
    coordinator,
    workers,
    async command(args, code = 0) {
      const result = await metatrain(t, args, { METATRAIN_COORDINATOR: coordinator });
      assert.equal(result.code, code, `metatrain ${args.join(' ')}\n${result.stderr}`);
      assert.doesNotMatch(result.stderr, / {4}at /);
      return result;
    },
  };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('a day with a cluster', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-e2e-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const stateDirectory = join(directory, 'state');
  let cluster = await up(t, stateDirectory);
  let jobId = '';
  let job: Job | undefined;

  await t.test('`workers` lists the worker that `up` named', async () => {
    const { workers } = (await cluster.command(['workers', '--json'])).json<{
      workers: { workerId: string; state: string; slots: number; engineFingerprint: string }[];
    }>();
    assert.deepEqual(
      workers.map(({ workerId, state, slots }) => ({ workerId, state, slots })),
      [{ workerId: cluster.workers[0], state: 'IDLE', slots: 1 }],
    );
    const table = (await cluster.command(['workers'])).stdout.join('\n');
    assert.match(table, /^ID +STATE +LEASES\/SLOTS/);
    assert.ok(table.includes(workers[0]!.engineFingerprint));
  });

  await t.test('`submit --watch` follows a job to its result', async () => {
    job = (await cluster.command(['submit', jobFile, ...short, '--watch', '--json'])).json<Job>();
    jobId = job.jobId;
    assert.equal(job.state, 'SUCCEEDED');
    assert.equal(job.steps, 20);
  });

  await t.test('one idempotency key is one job', async () => {
    const submit = ['submit', jobFile, ...short, '--set', 'name=keyed', '--idempotency-key', 'nightly', '--json'];
    const first = (await cluster.command(submit)).json<{ jobId: string; alreadySubmitted: boolean }>();
    assert.equal(first.alreadySubmitted, false);
    assert.deepEqual((await cluster.command(submit)).json(), { jobId: first.jobId, alreadySubmitted: true });
    const other = await cluster.command([...submit, '--set', 'seed=2'], 1);
    assert.equal(other.json<{ error: { code: string } }>().error.code, 'JOB_EXISTS');
    await cluster.command(['jobs', 'watch', first.jobId]);
  });

  await t.test('a job is paused, goes on and is cancelled, and says so', async () => {
    const [endlessId = ''] = (await cluster.command(['submit', jobFile, ...endless])).stdout;
    const watch = startCommand(t, ['jobs', 'watch', endlessId, '--coordinator', cluster.coordinator]);
    await watch.stderrSays(/endless {2}running/);
    const stateAfter = async (action: string) =>
      (await cluster.command(['jobs', action, endlessId, '--json'])).json<Job>().state;
    assert.equal(await stateAfter('pause'), 'PAUSED');
    assert.equal(await stateAfter('pause'), 'PAUSED', 'to pause twice is to pause');
    assert.equal(await stateAfter('resume'), 'RUNNING');
    assert.equal(await stateAfter('cancel'), 'CANCELLED');
    const watched = await resultOf(watch);
    assert.equal(watched.code, 1, 'a watched job that does not succeed is exit code 1');
    assert.match(
      watched.stderr,
      /paused: paused by request[\s\S]*running: resumed[\s\S]*cancelled: cancelled by request/,
    );
    const again = await cluster.command(['jobs', 'cancel', endlessId.slice(0, 12), '--json'], 1);
    const { error } = again.json<{ error: { code: string; message: string } }>();
    assert.equal(error.code, 'JOB_NOT_RUNNING');
    assert.match(error.message, /has ended: cancelled/);
  });

  await t.test('`jobs` lists the newest first and by state; `jobs show` prints every default', async () => {
    const names = async (...flags: string[]) =>
      (await cluster.command(['jobs', ...flags, '--json'])).json<{ jobs: Job[] }>().jobs.map(({ name }) => name);
    assert.deepEqual(await names(), ['endless', 'keyed', 'sinusoid']);
    assert.deepEqual(await names('list', '--state', 'cancelled'), ['endless']);
    assert.deepEqual(await names('list', '--limit', '1'), ['endless']);
    const shown = (await cluster.command(['jobs', 'show', jobId.slice(0, 12)])).stdout.join('\n');
    assert.match(shown, /Job file, with every default/);
    assert.match(shown, /beta1: 0\.9/);
    assert.ok(shown.includes(job!.paramsSha256));
  });

  const file = join(directory, 'model.safetensors');
  await t.test('a downloaded checkpoint is whole: its hashes are the announced ones', async () => {
    const download = ['checkpoint', 'download', jobId, '--output', file, '--json'];
    const info = (await cluster.command(download)).json<{ sha256: string; bytes: number; step: number }>();
    const bytes = readFileSync(file);
    assert.deepEqual([bytes.byteLength, sha256(bytes), info.step], [info.bytes, info.sha256, 20]);
    assert.equal(decodeCheckpoint(bytes, file).metadata.paramsSha256, job!.paramsSha256);
    assert.deepEqual(readdirSync(directory).sort(), ['model.safetensors', 'state'], 'nothing is left aside');
  });

  await t.test('a checkpoint that is not there leaves no file', async () => {
    const missing = join(directory, 'missing.safetensors');
    const download = ['checkpoint', 'download', jobId, '--step', '7', '--output', missing, '--json'];
    const { error } = (await cluster.command(download, 1)).json<{ error: { code: string; message: string } }>();
    assert.equal(error.code, 'CHECKPOINT_UNKNOWN');
    assert.match(error.message, /no checkpoint of meta-step 7; kept: 20/);
    assert.ok(!existsSync(missing));
    assert.deepEqual(readdirSync(directory).sort(), ['model.safetensors', 'state']);
  });

  await t.test('a job that nobody knows is named', async () => {
    const { error } = (await cluster.command(['jobs', 'show', 'nope', '--json'], 1)).json<{
      error: { code: string };
    }>();
    assert.equal(error.code, 'JOB_UNKNOWN');
  });

  await t.test('`jobs delete` forgets a job that has ended, and says what goes with it', async () => {
    const other = (
      await cluster.command(['submit', jobFile, ...short, '--set', 'name=passing', '--watch', '--json'])
    ).json<Job>();
    const deleted = await cluster.command(['jobs', 'delete', other.jobId.slice(0, 8)]);
    assert.match(deleted.stdout.join('\n'), new RegExp(`^deleted ${other.jobId} with 1 checkpoint, [\\d.]+ kB$`));
    const again = await cluster.command(['jobs', 'delete', other.jobId], 1);
    assert.match(again.stderr, /there is no job/);
  });

  await t.test('interrupted, `up` stops with exit code 0; started again it knows every job', async () => {
    cluster.process.signal('SIGINT');
    const ended = await resultOf(cluster.process);
    assert.equal(ended.code, 0, ended.stderr);
    cluster = await up(t, stateDirectory);
    assert.deepEqual((await cluster.command(['jobs', 'show', jobId, '--json'])).json<Job>(), job);
    const copy = join(directory, 'copy.safetensors');
    await cluster.command(['checkpoint', 'download', jobId, '--output', copy]);
    assert.equal(sha256(readFileSync(copy)), sha256(readFileSync(file)));
    cluster.process.signal('SIGTERM');
    assert.equal((await resultOf(cluster.process)).code, 0);
  });
});
