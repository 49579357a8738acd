// `metatrain replay` against a real coordinator and a real worker, and the record of skipped tasks.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MetatrainClient } from '../../client/index.ts';
import { sinusoidSpec } from '../support/job-specs.ts';
import { TestProcess } from '../support/processes.ts';

test('a shard computed again on this machine has the bytes that counted, from a checkpoint and from the seed', async (context) => {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-replay-test-'));
  context.after(() => rmSync(stateDirectory, { recursive: true, force: true }));
  const coordinator = new TestProcess(context, 'coordinator/main.js', [
    ...['--listen', '127.0.0.1:0', '--state-dir', stateDirectory, '--log-level', 'error'],
  ]);
  const { address } = await coordinator.ready<{ address: string }>();
  const worker = new TestProcess(context, 'worker/main.js', ['--coordinator', address, '--slots', '1']);
  await worker.ready();
  const client = new MetatrainClient({ address });
  context.after(() => client.close());
  const { jobId } = await client.submitJob(sinusoidSpec('replayed', { checkpoint: { every: 8, keep: 10 } }));
  for await (const _ of client.watchJob(jobId)) {
    // Until it has ended.
  }
  assert.equal((await client.getJob(jobId)).state, 'SUCCEEDED');

  const replay = async (metaStep: number, shard: number) => {
    const command = new TestProcess(context, 'client/cli/main.js', [
      ...['replay', jobId, String(metaStep), String(shard), '--coordinator', address, '--json'],
    ]);
    const report = await command.ready<{ equal: boolean; fromStep: number; firstTask: number }>();
    return { ...report, exitCode: (await command.exited).code };
  };
  const fromCheckpoint = await replay(17, 1);
  assert.deepEqual(
    { ...fromCheckpoint, equal: true },
    { ...fromCheckpoint, exitCode: 0, fromStep: 16, firstTask: 17 * 8 + 2 },
  );
  assert.equal(fromCheckpoint.equal, true);
  const fromSeed = await replay(3, 0);
  assert.equal(fromSeed.equal, true);
  assert.equal(fromSeed.fromStep, 0);

  const beyond = new TestProcess(context, 'client/cli/main.js', [
    'replay',
    jobId,
    '500',
    '0',
    '--coordinator',
    address,
  ]);
  assert.equal((await beyond.exited).code, 1);
  assert.match(beyond.stderr, /shard 0 of meta-step 500 of job [0-9a-f]+ is not on record/);
});
