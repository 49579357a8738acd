// A backup that is made while a job runs, and restored in another directory: there the job goes on
// to the same bytes.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Job, MetatrainClient } from '../../client/index.ts';
import { metatrain } from '../support/command.ts';
import { sinusoidSpec } from '../support/job-specs.ts';
import { until } from '../support/process-cluster.ts';
import { TestProcess } from '../support/processes.ts';

const spec = sinusoidSpec('backed-up', {
  meta: { iterations: 800, batchSize: 16 },
  // In spans it would end too soon.
  placement: { shardSize: 8, spans: 'never' },
  checkpoint: { every: 20, keep: 2 },
  evaluation: { tasks: 20, innerSteps: 2 },
});

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-backup-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function startCluster(t: TestContext, stateDirectory: string): Promise<MetatrainClient> {
  const flags = ['--listen', '127.0.0.1:0', '--http', 'off', '--state-dir', stateDirectory, '--log-level', 'warn'];
  const coordinator = new TestProcess(t, 'coordinator/main.js', flags);
  const { address } = await coordinator.ready<{ address: string }>();
  const worker = new TestProcess(t, 'worker/main.js', [
    '--coordinator',
    address,
    '--slots',
    '1',
    '--log-level',
    'warn',
  ]);
  await worker.ready();
  const client = new MetatrainClient({ address });
  t.after(() => client.close());
  return client;
}

async function ended(client: MetatrainClient, jobId: string): Promise<Job> {
  for await (const _ of client.watchJob(jobId));
  return client.getJob(jobId);
}

test('a backup that is made while a job runs goes on elsewhere, with equal bytes', async (t) => {
  const directory = directoryOf(t);
  const [original, copy] = [join(directory, 'original'), join(directory, 'copy')];
  const client = await startCluster(t, original);
  const { jobId } = await client.submitJob(spec, { idempotencyKey: 'one' });
  await until(client.watchJob(jobId), ({ kind }) => kind === 'checkpointWritten');
  const made = await metatrain(t, ['backup', '--state-dir', original, '--output', copy, '--json']);
  assert.equal(made.code, 0, made.stderr);
  const { jobs, checkpoints } = made.json<{ jobs: number; checkpoints: number }>();
  assert.equal(jobs, 1);
  assert.ok(checkpoints >= 1);
  assert.deepEqual(readdirSync(copy).sort(), ['checkpoints', 'jobs.lmdb']);
  assert.equal(statSync(copy).mode & 0o777, 0o700);
  assert.equal(statSync(join(copy, 'jobs.lmdb')).mode & 0o777, 0o600);
  const { state } = await client.getJob(jobId);
  assert.equal(state, 'RUNNING', 'the backup was made under a running job');

  const elsewhere = await startCluster(t, copy);
  const events = elsewhere.watchJob(jobId);
  const back = await until(events, (event) => event.kind === 'stateChanged' && /from meta-step/.test(event.reason));
  const step = Number(/from meta-step (\d+)/.exec(back.kind === 'stateChanged' ? back.reason : '')?.[1]);
  assert.ok(step >= 20 && step < 800, `taken up from meta-step ${step}`);
  const [there, here] = await Promise.all([ended(elsewhere, jobId), ended(client, jobId)]);
  assert.equal(here.state, 'SUCCEEDED');
  assert.equal(there.paramsSha256, here.paramsSha256);
  const again = await elsewhere.submitJob(spec, { idempotencyKey: 'one' });
  assert.deepEqual(again, { jobId, alreadySubmitted: true });
});

test('a backup of nothing, into a folder with something, or of a damaged checkpoint is refused, and leaves nothing', async (t) => {
  const directory = directoryOf(t);
  const [original, copy] = [join(directory, 'original'), join(directory, 'copy')];
  const refused = async (args: readonly string[], reason: RegExp, code = 1) => {
    const result = await metatrain(t, ['backup', ...args]);
    assert.match(result.stderr, reason);
    assert.equal(result.code, code);
  };
  await refused(['--state-dir', original, '--output', copy], /--state-dir: there is no state of a coordinator in /);
  await refused(['--state-dir', original], /required option '--output <dir>' not specified/, 2);
  const client = await startCluster(t, original);
  const { jobId } = await client.submitJob(sinusoidSpec('short'));
  assert.equal((await ended(client, jobId)).state, 'SUCCEEDED');
  await refused(['--state-dir', original, '--output', original], /--output: .* is not empty/);
  const [file = ''] = readdirSync(join(original, 'checkpoints', jobId));
  writeFileSync(join(original, 'checkpoints', jobId, file), 'damaged');
  await refused(['--state-dir', original, '--output', copy], /step-0+20\.safetensors/);
  assert.deepEqual(readdirSync(copy), []);
});
