// Everything is told to end (SIGTERM) and started again, one process after the other, while a job
// runs: every process ends by itself, no meta-step is lost, and the bytes are those of a quiet run.
// Also a worker whose coordinator has no name yet.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { RunResult } from '../../client/cli/run-result.ts';
import { type JobEvent, MetatrainClient } from '../../client/index.ts';
import { metatrain } from '../support/command.ts';
import { sinusoidSpec } from '../support/job-specs.ts';
import { until } from '../support/process-cluster.ts';
import { TestProcess } from '../support/processes.ts';

const spec = sinusoidSpec('rolled', {
  meta: { iterations: 800, batchSize: 16 },
  // In spans it would end too soon.
  placement: { shardSize: 4, spans: 'never' },
  checkpoint: { every: 1_000 },
  evaluation: { tasks: 20, innerSteps: 2 },
});

test('every process is restarted in turn while a job runs: each ends with 0, no step is lost, equal bytes', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-rolling-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const state = ['--state-dir', join(directory, 'state'), '--http', 'off', '--log-level', 'warn'];
  const coordinator = new TestProcess(t, 'coordinator/main.js', ['--listen', '127.0.0.1:0', ...state]);
  const { address } = await coordinator.ready<{ address: string }>();
  const startWorker = async (workerId: string) => {
    const flags = ['--coordinator', address, '--slots', '1', '--worker-id', workerId, '--log-level', 'warn'];
    const worker = new TestProcess(t, 'worker/main.js', flags);
    await worker.ready();
    return worker;
  };
  const before = [await startWorker('old-1'), await startWorker('old-2')];
  const client = new MetatrainClient({ address });
  t.after(() => client.close());
  const { jobId } = await client.submitJob(spec);
  let step = 0;
  const events = client.watchJob(jobId, { giveUpAfterMs: 60_000 });
  const isStep = (event: JobEvent) => {
    if (event.kind === 'metaStep') step = event.summary.step;
    return event.kind === 'metaStep';
  };
  await until(events, isStep);
  const end = async (old: TestProcess) =>
    assert.deepEqual(await old.kill('SIGTERM'), { code: 0, signal: null }, old.stderr);

  await end(before[0]!);
  await startWorker('new-1');
  await until(events, isStep);
  await end(coordinator);
  const next = new TestProcess(t, 'coordinator/main.js', ['--listen', address, ...state]);
  await next.ready();
  const isBack = (event: JobEvent) => {
    isStep(event);
    return event.kind === 'stateChanged' && /restart/.test(event.reason);
  };
  const back = await until(events, isBack);
  const from = Number(/from meta-step (\d+)/.exec(back.kind === 'stateChanged' ? back.reason : '')?.[1]);
  assert.ok(from >= step, `taken up from meta-step ${from}, and ${step} were told of before`);
  await until(events, isStep);
  await end(before[1]!);
  await startWorker('new-2');

  for await (const _ of events);
  const job = await client.getJob(jobId);
  assert.equal(job.state, 'SUCCEEDED');
  const file = join(directory, 'job.json');
  writeFileSync(file, spec);
  const quiet = await metatrain(t, ['run', file, '--workers', '1', '--slots', '1', '--no-output', '--json']);
  assert.equal(quiet.code, 0, quiet.stderr);
  assert.equal(job.paramsSha256, quiet.json<RunResult>().paramsSha256);
});

test('a worker whose coordinator has no name yet tries again, and says what is missing', async (t) => {
  const flags = ['--coordinator', 'coordinator.invalid:7420', '--slots', '1', '--log-format', 'json'];
  const worker = new TestProcess(t, 'worker/main.js', flags);
  const once = 'no connection: (there is no host|the name) coordinator\\.invalid';
  await worker.stderrSays(new RegExp(`(${once}[\\s\\S]*){2}`));
  assert.deepEqual(await worker.kill('SIGTERM'), { code: 0, signal: null });
});
