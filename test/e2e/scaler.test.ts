// Workers from zero to many and back to zero, as KEDA does it: real coordinator and worker
// processes behind a fake KEDA that speaks its proto. No shard is lost, no busy worker is killed,
// and θ has the bytes of a run without scaling.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { RunResult } from '../../client/cli/run-result.ts';
import { MetatrainClient } from '../../client/index.ts';
import { metatrain } from '../support/command.ts';
import { FakeKeda, KedaClient } from '../support/fake-keda.ts';
import { sinusoidSpec } from '../support/job-specs.ts';
import { TestProcess } from '../support/processes.ts';

const wide = sinusoidSpec('wide', {
  meta: { iterations: 100, batchSize: 30 },
  placement: { shardSize: 10 },
  evaluation: { tasks: 30, innerSteps: 2 },
});
const narrow = sinusoidSpec('narrow', {
  meta: { iterations: 300, batchSize: 30 },
  placement: { shardSize: 30 },
  evaluation: { tasks: 30, innerSteps: 2 },
});
/** Runs until it is cancelled: however slow the machine, workers leave while a job runs. */
const endless = sinusoidSpec('endless', {
  meta: { iterations: 1_000_000, batchSize: 30 },
  placement: { shardSize: 30 },
});

async function startCoordinator(t: TestContext): Promise<Record<'address' | 'http' | 'scaler', string>> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-scaler-'));
  const flags = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--scaler', '127.0.0.1:0', '--log-level', 'warn'];
  const coordinator = new TestProcess(t, 'coordinator/main.js', [...flags, '--state-dir', stateDirectory]);
  t.after(async () => {
    await coordinator.kill('SIGKILL');
    rmSync(stateDirectory, { recursive: true });
  });
  return coordinator.ready();
}

async function runWithoutScaling(t: TestContext, spec: string): Promise<RunResult> {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-scaler-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'job.json');
  writeFileSync(file, spec);
  const result = await metatrain(t, ['run', file, '--workers', '1', '--slots', '1', '--no-output', '--json']);
  assert.equal(result.code, 0, result.stderr);
  return result.json<RunResult>();
}

test('behind KEDA workers go from 0 to n to 0: no shard lost, no busy worker killed, equal bytes', async (t) => {
  const { address, http, scaler } = await startCoordinator(t);
  const client = new MetatrainClient({ address });
  t.after(() => client.close());
  const running: TestProcess[] = [];
  const left: TestProcess[] = [];
  let started = 0;
  const keda = new FakeKeda({ address: scaler, slotsPerWorker: 1, maxReplicas: 3, pollMs: 100 }, async (replicas) => {
    const joining: Promise<unknown>[] = [];
    while (running.length < replicas) {
      started += 1;
      const flags = ['--coordinator', address, '--slots', '1', '--worker-id', `pod-${started}`, '--log-level', 'warn'];
      const worker = new TestProcess(t, 'worker/main.js', flags);
      running.push(worker);
      joining.push(worker.ready());
    }
    await Promise.all(joining);
    while (running.length > replicas) {
      // The oldest, which computes as likely as any: a Deployment does not know who is busy.
      const worker = running.shift()!;
      worker.signal('SIGTERM');
      left.push(worker);
    }
  });
  t.after(() => keda.close());
  const { jobId: endlessId } = await client.submitJob(endless);
  const jobs = await Promise.all([wide, narrow].map((spec) => client.submitJob(spec)));
  const ended = await Promise.all(
    jobs.map(async ({ jobId }) => {
      for await (const _ of client.watchJob(jobId));
      return client.getJob(jobId);
    }),
  );
  for (const job of ended) assert.equal(job.state, 'SUCCEEDED');
  await keda.turnedTo(1);
  await client.cancelJob(endlessId);
  // Each was told to stop once, finished what it held, and left by itself.
  await keda.turnedTo(0);
  assert.equal(left.length, started);
  for (const worker of left) assert.deepEqual(await worker.exited, { code: 0, signal: null }, worker.stderr);
  assert.deepEqual(await client.listWorkers(), []);
  assert.equal(keda.wanted.at(-1), 0);
  assert.ok(Math.max(...keda.wanted) === 3, `replicas: ${keda.wanted}`);
  const metrics = await (await fetch(`http://${http}/metrics`)).text();
  assert.match(metrics, /^metatrain_shards_retried_total\{cause="workerLost"\} 0$/m);
  assert.match(metrics, /^metatrain_useful_slots 0$/m);
  for (const [index, spec] of [wide, narrow].entries()) {
    const alone = await runWithoutScaling(t, spec);
    assert.equal(ended[index]!.paramsSha256, alone.paramsSha256, ended[index]!.name);
  }
});

test('StreamIsActive tells at once that a job is queued, and that nothing is left; bad metadata is refused by name', async (t) => {
  const { address, scaler } = await startCoordinator(t);
  const client = new MetatrainClient({ address });
  t.after(() => client.close());
  const keda = new KedaClient(scaler, { slotsPerWorker: '2', scalerAddress: scaler });
  t.after(() => keda.close());
  const told: boolean[] = [];
  const news = new EventTarget();
  const end = keda.watch((isActive) => {
    told.push(isActive);
    news.dispatchEvent(new Event('told'));
  });
  t.after(end);
  const toldOf = async (count: number) => {
    while (told.length < count) await once(news, 'told');
  };
  await toldOf(1);
  const { jobId } = await client.submitJob(wide);
  await toldOf(2);
  assert.equal(await keda.isActive(), true);
  assert.deepEqual(await keda.spec(), { metricName: 'metatrain_useful_slots', targetSize: 2, targetSizeFloat: 2 });
  assert.equal(await keda.value('metatrain_useful_slots'), 3);
  await client.pauseJob(jobId);
  await toldOf(3);
  assert.deepEqual(told, [false, true, false]);
  assert.equal(await keda.value('metatrain_useful_slots'), 0);
  await client.resumeJob(jobId);
  await toldOf(4);
  for (const [metadata, reason] of [
    [{ slotsPerWorker: '0' }, /scalerMetadata\.slotsPerWorker: got "0"; accepted: a whole number from 1 to 9999/],
    [{ engine: 'gpu' }, /scalerMetadata\.engine: got "gpu"; accepted: an engine and a device, such as compiled\/cpu/],
  ] as const) {
    const bad = new KedaClient(scaler, metadata);
    await assert.rejects(bad.isActive(), reason);
    bad.close();
  }
  await assert.rejects(keda.value('queue'), /metricName: got "queue"; accepted: metatrain_useful_slots/);
  const other = new KedaClient(scaler, { engine: 'tensorflow/gpu' });
  assert.equal(await other.value('metatrain_useful_slots'), 0);
  other.close();
});
