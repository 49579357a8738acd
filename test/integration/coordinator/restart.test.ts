import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { credentials, status } from '@grpc/grpc-js';
import { JobStore } from '../../../coordinator/store/job-store.ts';
import { channelOptions, JobService } from '../../../shared/wire.ts';
import { rowMessages } from '../../support/measures.ts';
import { call, collect, rejection, specText, TestCluster } from './cluster.ts';
import { gradientSum, NullWorker } from './null-worker.ts';

const checkpointFiles = (cluster: TestCluster, jobId: string) => {
  const directory = join(cluster.stateDirectory, 'checkpoints', jobId);
  return readdirSync(directory)
    .sort()
    .map((name) => join(directory, name));
};

test('a job goes on after a restart of the coordinator, to the same bytes', async (t) => {
  const cluster = await TestCluster.start(t);
  const spec = specText({ iterations: 600, checkpoint: { every: 100 }, evaluation: { every: 200 } });
  await cluster.worker('w1');
  const expected = await cluster.end(await cluster.submit(spec));
  const jobId = await cluster.submit(spec);
  await cluster.watch(jobId, ({ checkpointWritten }) => checkpointWritten?.step === 100);
  await cluster.restart();
  const { steps, state } = await cluster.job(jobId);
  assert.ok(steps >= 100 && steps < 600, `at meta-step ${steps}`);
  assert.equal(state, 'JOB_STATE_RUNNING');
  await cluster.worker('w2');
  const job = await cluster.end(jobId);
  assert.equal(job.paramsSha256, expected.paramsSha256);
  assert.deepEqual(job.evaluations, expected.evaluations);
  const stateEvents = (await cluster.watch(jobId)).flatMap(({ stateChanged }) => stateChanged?.reason ?? []);
  assert.ok(stateEvents.some((reason) => /taken up again .* from meta-step \d+/.test(reason)));
});

test('a queued and a paused job keep their state over a restart', async (t) => {
  const cluster = await TestCluster.start(t);
  const queued = await cluster.submit();
  const paused = await cluster.submit();
  await call(cluster.jobs, 'PauseJob', { jobId: paused });
  await cluster.restart();
  await cluster.worker('w1');
  assert.equal((await cluster.end(queued)).state, 'JOB_STATE_SUCCEEDED');
  assert.equal((await cluster.job(paused)).state, 'JOB_STATE_PAUSED');
  await call(cluster.jobs, 'ResumeJob', { jobId: paused });
  assert.equal((await cluster.end(paused)).state, 'JOB_STATE_SUCCEEDED');
});

/** A job held at meta-step 250, with checkpoints of the meta-steps 100 and 200, and the hash of an undisturbed run. */
async function heldJob(cluster: TestCluster): Promise<{ jobId: string; expected: string }> {
  const spec = specText({ iterations: 300, checkpoint: { every: 100 } });
  const first = await cluster.worker('w1');
  const expected = (await cluster.end(await cluster.submit(spec))).paramsSha256;
  await first.close();
  const jobId = await cluster.submit(spec);
  const holding = new Promise<void>((resolve, reject) => {
    cluster
      .worker('holding', {
        onLease(lease, worker) {
          if ((lease.train?.metaStep ?? 0) < 250) worker.answer(lease);
          else resolve();
        },
      })
      .catch(reject);
  });
  await cluster.watch(jobId, ({ checkpointWritten }) => checkpointWritten?.step === 200);
  await holding;
  await cluster.stop();
  return { jobId, expected };
}

test('damaged checkpoints are skipped, and the job is recomputed from the one before', async (t) => {
  const cluster = await TestCluster.start(t);
  const { jobId, expected } = await heldJob(cluster);
  // Closing has written one more, at meta-step 250.
  const [at100, at200, at250] = checkpointFiles(cluster, jobId);
  assert.ok(at100 && at200 && at250);
  truncateSync(at250, 300);
  const bytes = readFileSync(at200);
  bytes[bytes.byteLength - 1]! ^= 1;
  writeFileSync(at200, bytes);
  writeFileSync(`${at250}.partial`, 'left behind by a crash');
  await cluster.restart();
  assert.equal((await cluster.job(jobId)).steps, 100);
  assert.deepEqual(checkpointFiles(cluster, jobId), [at100]);
  await cluster.worker('w2');
  assert.equal((await cluster.end(jobId)).paramsSha256, expected);
});

test('a job without a readable checkpoint fails with their names, and does not start over', async (t) => {
  const cluster = await TestCluster.start(t);
  const { jobId } = await heldJob(cluster);
  const files = checkpointFiles(cluster, jobId);
  for (const file of files) rmSync(file);
  await cluster.restart();
  const job = await cluster.job(jobId);
  assert.equal(job.state, 'JOB_STATE_FAILED');
  assert.equal(job.error?.code, 'CHECKPOINT_CORRUPT');
  assert.match(job.error.message, /none of the job's 3 checkpoints is good.*step-000000250.*step-000000100/);
  // The coordinator works on.
  await cluster.worker('w2');
  assert.equal((await cluster.end(await cluster.submit())).state, 'JOB_STATE_SUCCEEDED');
});

test('meta-steps after the last checkpoint are applied again with equal bytes, and the chain proves it', async (t) => {
  const cluster = await TestCluster.start(t);
  const { jobId, expected } = await heldJob(cluster);
  // The checkpoint that closing wrote is lost; the record still names the chain of a later meta-step than 200.
  truncateSync(checkpointFiles(cluster, jobId)[2]!, 300);
  await cluster.restart();
  assert.equal((await cluster.job(jobId)).steps, 200);
  await cluster.worker('w2');
  assert.equal((await cluster.end(jobId)).paramsSha256, expected);
  const reasons = (await cluster.watch(jobId)).flatMap(({ stateChanged }) => stateChanged?.reason ?? []);
  assert.ok(reasons.some((reason) => /from meta-step 200; checkpoint .*step-000000250.* expected/.test(reason)));
  assert.ok(reasons.some((reason) => /meta-step 2\d\d, applied before the restart, .* the same bytes/.test(reason)));
});

test('a job that computes other bytes after a restart fails: its chain breaks', async (t) => {
  const cluster = await TestCluster.start(t);
  const { jobId } = await heldJob(cluster);
  truncateSync(checkpointFiles(cluster, jobId)[2]!, 300);
  await cluster.restart();
  await cluster.worker('changed', {
    onLease(lease, worker) {
      if (!lease.train) return worker.answer(lease);
      const { leaseId, jobId: ofJob } = lease;
      const { firstTask, taskCount } = lease.train;
      const sum = gradientSum(worker.paramsOf(lease), firstTask, taskCount).map((value) => value * 1.001);
      const train = { weight: taskCount, measures: rowMessages(new Array<number>(taskCount).fill(1)) };
      worker.send({
        shardResult: { leaseId, jobId: ofJob, train: { payloadSha256: worker.sendPayload(sum), ...train } },
      });
    },
  });
  const job = await cluster.end(jobId);
  assert.equal(job.error?.code, 'CHAIN_BROKEN');
  assert.match(
    job.error.message,
    /was applied before the coordinator's restart with chain [0-9a-f]{64}, and applying it again gave/,
  );
});

test('a checkpoint of another job is refused even under the right name and hash', async (t) => {
  const cluster = await TestCluster.start(t);
  const { jobId } = await heldJob(cluster);
  const store = await JobStore.open(join(cluster.stateDirectory, 'jobs.lmdb'));
  const record = store.record(jobId)!;
  const other = [...store.records()].find(({ key }) => key !== jobId)!;
  const strange = readFileSync(checkpointFiles(cluster, other.key)[0]!);
  writeFileSync(checkpointFiles(cluster, jobId)[2]!, strange);
  const sha256 = createHash('sha256').update(strange).digest('hex');
  record.checkpoints = record.checkpoints.map((each) =>
    each.step === 250 ? { ...each, sha256, bytes: strange.byteLength } : each,
  );
  await store.save(record);
  await store.close();
  await cluster.restart();
  assert.equal((await cluster.job(jobId)).steps, 200);
});

test('a checkpoint made with another job file is refused', async (t) => {
  const cluster = await TestCluster.start(t);
  const { jobId } = await heldJob(cluster);
  const store = await JobStore.open(join(cluster.stateDirectory, 'jobs.lmdb'));
  const record = store.record(jobId)!;
  await store.save({ ...record, spec: record.spec.replace('"learningRate":0.01', '"learningRate":0.02') });
  await store.close();
  await cluster.restart();
  const { state, error } = await cluster.job(jobId);
  assert.deepEqual([state, error?.code], ['JOB_STATE_FAILED', 'CHECKPOINT_CORRUPT']);
  assert.match(error?.message ?? '', /its job file is not that of the job's record/);
});

test('a paused job whose learning rate one bit of the database file has changed is not resumed, and the others go on', async (t) => {
  const cluster = await TestCluster.start(t);
  const changed = await cluster.submit(specText({ meta: { optimizer: { name: 'adam', learningRate: 0.0625 } } }));
  await call(cluster.jobs, 'PauseJob', { jobId: changed });
  const whole = await cluster.submit();
  await cluster.stop();
  const file = join(cluster.stateDirectory, 'jobs.lmdb');
  const bytes = readFileSync(file);
  let flips = 0;
  // 0.0625 → 0.0624, in every copy that the database keeps. V8 chooses one or two bytes a character.
  for (const [encoding, width] of [
    ['latin1', 1],
    ['utf16le', 2],
  ] as const) {
    const find = (from: number) => bytes.indexOf('0.0625', from, encoding);
    for (let at = find(0); at >= 0; at = find(at), flips += 1) bytes[at + 5 * width]! ^= 1;
  }
  assert.ok(flips > 0);
  writeFileSync(file, bytes);
  await cluster.restart();
  for (const request of ['GetJob', 'ResumeJob'] as const) {
    const { code, details } = await rejection(call(cluster.jobs, request, { jobId: changed }));
    assert.equal(code, status.DATA_LOSS);
    assert.match(details, new RegExp(`the record of job ${changed} cannot be read: .* does not match its digest`));
  }
  await cluster.worker('w1');
  assert.equal((await cluster.end(whole)).state, 'JOB_STATE_SUCCEEDED');
});

test('a job record that cannot be read is reported, and the other jobs go on', async (t) => {
  const cluster = await TestCluster.start(t);
  const broken = await cluster.submit();
  const whole = await cluster.submit();
  await cluster.stop();
  const store = await JobStore.open(join(cluster.stateDirectory, 'jobs.lmdb'));
  await store.save({ ...store.record(broken)!, spec: '{"name": "half a rec' });
  await store.close();
  await cluster.restart();
  const error = await rejection(cluster.job(broken));
  assert.equal(error.code, status.DATA_LOSS);
  assert.match(error.details, new RegExp(`the record of job ${broken} cannot be read: .*`));
  await cluster.worker('w1');
  assert.equal((await cluster.end(whole)).state, 'JOB_STATE_SUCCEEDED');
  const { jobs } = await call(cluster.jobs, 'ListJobs', {});
  assert.deepEqual(
    jobs.map(({ jobId }) => jobId),
    [whole],
  );
});

test('downloading a corrupt checkpoint fails with DATA_LOSS, the file, and what was expected', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('w1');
  const jobId = await cluster.submit();
  await cluster.end(jobId);
  const [file] = checkpointFiles(cluster, jobId);
  const bytes = readFileSync(file!);
  bytes[bytes.byteLength - 1]! ^= 1;
  writeFileSync(file!, bytes);
  const changed = await rejection(collect(cluster.jobs.DownloadCheckpoint({ jobId })));
  assert.equal(changed.code, status.DATA_LOSS);
  assert.deepEqual(changed.metadata.get('metatrain-code'), ['CHECKPOINT_CORRUPT']);
  assert.match(changed.details, /step-000000020\.safetensors: expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}/);
  truncateSync(file!, 100);
  const cut = await rejection(collect(cluster.jobs.DownloadCheckpoint({ jobId })));
  assert.match(cut.details, /step-000000020\.safetensors: expected \d+ bytes, found 100 bytes/);
});

// The program itself, in a process of its own.

const program = join(dirname(fileURLToPath(import.meta.url)), '../../../coordinator/main.js');

async function startProgram(
  t: TestContext,
  stateDirectory: string,
  ...args: string[]
): Promise<{ process: ChildProcess; address: string }> {
  const child = spawn(
    process.execPath,
    [program, '--listen', '127.0.0.1:0', '--state-dir', stateDirectory, '--log-level', 'error', ...args],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  t.after(() => child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { process: child, address: (JSON.parse(line) as { address: string }).address };
}

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test('a coordinator killed with SIGKILL three times ends its job with the same bytes', async (t) => {
  const spec = specText({ iterations: 900, checkpoint: { every: 40 } });
  const reference = await TestCluster.start(t);
  await reference.worker('w1');
  const expected = (await reference.end(await reference.submit(spec))).paramsSha256;

  const stateDirectory = temporaryDirectory(t);
  let jobId = '';
  for (let life = 0; ; life += 1) {
    const { process: child, address } = await startProgram(t, stateDirectory);
    const jobs = new JobService(address, credentials.createInsecure(), channelOptions);
    const worker = new NullWorker({ address, workerId: 'w1' });
    if (life === 0) jobId = (await call(jobs, 'SubmitJob', { spec })).jobId;
    if (life === 3) {
      await collect(jobs.WatchJob({ jobId }));
      const job = await call(jobs, 'GetJob', { jobId });
      assert.equal(job.state, 'JOB_STATE_SUCCEEDED');
      assert.equal(job.paramsSha256, expected);
      jobs.close();
      await worker.kill();
      return;
    }
    const step = (life + 1) * 120;
    await collect(jobs.WatchJob({ jobId }), ({ checkpointWritten }) => checkpointWritten?.step === step);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await worker.ended;
    jobs.close();
  }
});

test('the program exits 0 on SIGTERM, on SIGINT and, with the flag for it, when its parent ends', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { process: child } = await startProgram(t, temporaryDirectory(t));
    child.kill(signal);
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  }
  const { process: child } = await startProgram(t, temporaryDirectory(t), '--exit-with-parent');
  child.stdin?.end();
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test("the program says a user's mistake in one line and exits 2 for wrong usage, 1 for the rest", async (t) => {
  const state = temporaryDirectory(t);
  const file = join(state, 'file');
  writeFileSync(file, '');
  for (const [args, expected] of [
    [
      ['--listen', 'nowhere'],
      /^error: option '--listen <host:port>' argument 'nowhere' is invalid\. Accepted: HOST:PORT.*\n$/,
    ],
    [
      ['--log-level', 'loud'],
      /^error: option '--log-level <level>' argument 'loud' is invalid\. Allowed choices are trace, debug.*\n$/,
    ],
    [['--lisen', 'x'], /^error: unknown option '--lisen'\n\(Did you mean --listen\?\)\n$/],
    [['--listen', '127.0.0.1:0', '--state-dir', file], /^metatrain coordinator: state directory .*--state-dir.*\n$/],
    [
      ['--listen', '203.0.113.1:7420', '--state-dir', state, '--insecure', '--log-level', 'error'],
      /^metatrain coordinator: cannot listen on 203.*\n$/,
    ],
    [
      ['--listen', '0.0.0.0:0', '--state-dir', state],
      /^metatrain coordinator: listening on 0\.0\.0\.0, other machines can connect: .*--tls-cert .*--tokens .*--insecure\n$/,
    ],
    [
      ['--nats', 'tls://nats.example', '--nats-token-file', join(state, 'none'), '--state-dir', state],
      /^metatrain coordinator: --nats-token-file: .*none is not there; .*\n$/,
    ],
    [['--tls-cert', file], /^error: --tls-cert and --tls-key go together\n$/],
    [['--tls-client-ca', file], /^error: --tls-client-ca needs --tls-cert and --tls-key\n$/],
    [
      ['--tls-cert', file, '--tls-key', file, '--state-dir', state],
      /^metatrain coordinator: --tls-cert: .*file is no PEM file \(metatrain certs makes them\)\n$/,
    ],
    [
      ['--tokens', join(state, 'none'), '--state-dir', state],
      /^metatrain coordinator: --tokens: .*none is not there; .*\n$/,
    ],
  ] as const) {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (data: Buffer) => {
      said += data.toString();
    });
    const [code] = (await once(child, 'close')) as [number];
    assert.match(said, expected);
    assert.equal(code, said.startsWith('error:') ? 2 : 1);
  }
});
