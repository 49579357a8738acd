import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ChannelCredentials, credentials, loadPackageDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { startCoordinator } from '../../../coordinator/main.ts';
import { parseJobSpec } from '../../../learning/job-file.ts';
import type { MetatrainError } from '../../../shared/errors.ts';
import { call, collect, rejection, specText, TestCluster } from './cluster.ts';

function assertStatus(error: ServiceError, code: status, metatrainCode: string, message: RegExp): void {
  assert.equal(error.code, code, error.message);
  assert.deepEqual(error.metadata.get('metatrain-code'), [metatrainCode]);
  assert.match(error.details, message);
}

test('a spec with every default filled in is what GetJob shows', async (t) => {
  const cluster = await TestCluster.start(t);
  const job = await cluster.job(await cluster.submit());
  assert.deepEqual(JSON.parse(job.spec), parseJobSpec(specText()));
  assert.equal(job.state, 'JOB_STATE_QUEUED');
  assert.equal(job.iterations, 20);
  assert.ok(Math.abs(job.submittedAt!.seconds - Date.now() / 1_000) < 60);
  assert.equal(job.startedAt, null);
});

test('the same idempotency key and spec give the same job; another spec is refused', async (t) => {
  const cluster = await TestCluster.start(t);
  const submit = (spec: string) => call(cluster.jobs, 'SubmitJob', { spec, idempotencyKey: 'key-1' });
  const [first, second] = await Promise.all([submit(specText()), submit(specText())]);
  assert.equal(first.jobId, second.jobId);
  assert.deepEqual([first.alreadySubmitted, second.alreadySubmitted].sort(), [false, true]);
  await cluster.restart();
  assert.deepEqual(await submit(specText()), { jobId: first.jobId, alreadySubmitted: true });
  const error = await rejection(submit(specText({ iterations: 21 })));
  assertStatus(error, status.ALREADY_EXISTS, 'JOB_EXISTS', /"key-1" belongs to job [0-9a-f]+, which has another spec/);
});

test('bad requests get their status, their code and a message that names the field', async (t) => {
  const cluster = await TestCluster.start(t, { limits: { unfinishedJobs: 2, watchers: 1 } });
  const { jobs } = cluster;
  const jobId = await cluster.submit();
  const ended = await cluster.submit();
  await call(jobs, 'CancelJob', { jobId: ended });
  const queueFull = async () => {
    await cluster.submit();
    return cluster.submit();
  };
  const cases: [request: () => Promise<unknown>, code: status, metatrainCode: string, message: RegExp][] = [
    [() => cluster.submit('name: [unclosed'), status.INVALID_ARGUMENT, 'REQUEST_INVALID', /\(job file\): got /],
    [
      () => cluster.submit('name: x\nzeal: 1'),
      status.INVALID_ARGUMENT,
      'REQUEST_INVALID',
      /zeal: got an unknown field/,
    ],
    [
      () => cluster.submit(`# ${'x'.repeat(70_000)}`),
      status.INVALID_ARGUMENT,
      'REQUEST_INVALID',
      /at most 65536 bytes/,
    ],
    [
      () => cluster.submit(specText(), 'k'.repeat(129)),
      status.INVALID_ARGUMENT,
      'REQUEST_INVALID',
      /idempotency_key: got 129/,
    ],
    [() => cluster.job('nope'), status.NOT_FOUND, 'JOB_UNKNOWN', /there is no job "nope"/],
    [() => call(jobs, 'CancelJob', { jobId: 'nope' }), status.NOT_FOUND, 'JOB_UNKNOWN', /"nope"/],
    [
      () => call(jobs, 'CancelJob', { jobId: ended }),
      status.FAILED_PRECONDITION,
      'JOB_NOT_RUNNING',
      /has ended: cancelled/,
    ],
    [
      () => call(jobs, 'PauseJob', { jobId: ended }),
      status.FAILED_PRECONDITION,
      'JOB_NOT_RUNNING',
      /has ended: cancelled/,
    ],
    [
      () => call(jobs, 'ResumeJob', { jobId }),
      status.FAILED_PRECONDITION,
      'JOB_NOT_RUNNING',
      /is queued; only a paused/,
    ],
    [() => call(jobs, 'ListJobs', { pageSize: 501 }), status.INVALID_ARGUMENT, 'REQUEST_INVALID', /page_size: got 501/],
    [
      () => call(jobs, 'ListJobs', { pageToken: 'x' }),
      status.INVALID_ARGUMENT,
      'REQUEST_INVALID',
      /page_token: got "x"/,
    ],
    [
      () => call(jobs, 'ListJobs', { states: [0] }),
      status.INVALID_ARGUMENT,
      'REQUEST_INVALID',
      /states: got JOB_STATE_UNSP/,
    ],
    [() => collect(jobs.WatchJob({ jobId: 'nope' })), status.NOT_FOUND, 'JOB_UNKNOWN', /"nope"/],
    [() => collect(jobs.DownloadCheckpoint({ jobId: 'nope' })), status.NOT_FOUND, 'JOB_UNKNOWN', /"nope"/],
    [() => collect(jobs.DownloadCheckpoint({ jobId })), status.NOT_FOUND, 'CHECKPOINT_UNKNOWN', /no checkpoint yet/],
    [
      () => collect(jobs.DownloadCheckpoint({ jobId, step: 7 })),
      status.NOT_FOUND,
      'CHECKPOINT_UNKNOWN',
      /no checkpoint of meta-step 7; kept: none/,
    ],
    [queueFull, status.RESOURCE_EXHAUSTED, 'QUEUE_FULL', /2 jobs have not ended/],
  ];
  for (const [request, code, metatrainCode, message] of cases) {
    assertStatus(await rejection(request()), code, metatrainCode, message);
  }
  const watching = jobs.WatchJob({ jobId });
  await new Promise((resolve) => watching.once('data', resolve));
  const error = await rejection(collect(jobs.WatchJob({ jobId })));
  assertStatus(error, status.RESOURCE_EXHAUSTED, 'QUEUE_FULL', /1 watchers, the limit/);
  const cancelled = rejection(collect(watching));
  watching.cancel();
  assert.equal((await cancelled).code, status.CANCELLED);
});

test('jobs are listed newest first, in pages, by state', async (t) => {
  const cluster = await TestCluster.start(t);
  const ids: string[] = [];
  for (let i = 0; i < 7; i += 1) ids.unshift(await cluster.submit(specText({ name: `job-${i}` })));
  for (const jobId of ids.slice(0, 3)) await call(cluster.jobs, 'CancelJob', { jobId });
  const pages: string[][] = [];
  let pageToken = '';
  do {
    const page = await call(cluster.jobs, 'ListJobs', { pageSize: 3, pageToken });
    pages.push(page.jobs.map(({ jobId }) => jobId));
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  assert.deepEqual(pages, [ids.slice(0, 3), ids.slice(3, 6), ids.slice(6)]);
  const cancelled = await call(cluster.jobs, 'ListJobs', { states: ['JOB_STATE_CANCELLED'] });
  assert.deepEqual(
    cancelled.jobs.map(({ jobId }) => jobId),
    ids.slice(0, 3),
  );
  assert.equal(cancelled.nextPageToken, '');
});

test('a page ends before it outgrows a message', async (t) => {
  const cluster = await TestCluster.start(t, { limits: { unfinishedJobs: 500 } });
  const differences = Array.from({ length: 20 }, () => 'x'.repeat(400));
  const published = { source: 's', measure: 'loss', at: {}, differences };
  const spec = JSON.stringify({ ...JSON.parse(specText()), published });
  for (let i = 0; i < 300; i += 1) await cluster.submit(spec);
  const pages: number[] = [];
  let pageToken = '';
  do {
    const page = await call(cluster.jobs, 'ListJobs', { pageSize: 500, pageToken });
    pages.push(page.jobs.length);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  assert.ok(pages.length > 1, `${pages.join(', ')} jobs a page`);
  assert.equal(
    pages.reduce((sum, size) => sum + size, 0),
    300,
  );
});

test('a port in use is refused with the address and the flag to change', async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => other.close(resolve)));
  const { port } = other.address() as { port: number };
  const cluster = await TestCluster.start(t);
  await cluster.stop();
  const error = (await rejection(
    startCoordinator({ stateDirectory: cluster.stateDirectory, host: '127.0.0.1', port }),
  )) as unknown;
  const { code, message } = error as MetatrainError;
  assert.equal(code, 'ADDRESS_IN_USE');
  assert.match(message, new RegExp(`^127\\.0\\.0\\.1:${port} is in use; choose another port with --listen HOST:PORT`));
  // Everything taken on the way has been given back.
  await cluster.restart();
});

test('a second coordinator on the same state directory is refused and disturbs nothing', async (t) => {
  const cluster = await TestCluster.start(t);
  const { stateDirectory } = cluster;
  const error = (await rejection(
    startCoordinator({ stateDirectory, host: '127.0.0.1', port: 0 }),
  )) as unknown as MetatrainError;
  assert.equal(error.code, 'NOT_READY');
  assert.match(error.message, /is in use by another coordinator; .*--state-dir/);
  assert.equal((await cluster.job(await cluster.submit())).state, 'JOB_STATE_QUEUED');
});

test('health says SERVING for every service, and reflection lists them', async (t) => {
  const cluster = await TestCluster.start(t);
  type AnyClient = new (
    address: string,
    credentials: ChannelCredentials,
  ) => {
    close(): void;
    [method: string]: (...args: unknown[]) => unknown;
  };
  const clientOf = (proto: string, path: readonly string[]) => {
    let node = loadPackageDefinition(loadSync(proto, { enums: String })) as unknown as Record<string, unknown>;
    for (const name of path) node = node[name] as Record<string, unknown>;
    return new (node as unknown as AnyClient)(cluster.address, credentials.createInsecure());
  };
  const packageOf = (name: string) => dirname(fileURLToPath(import.meta.resolve(name)));
  const healthProto = join(packageOf('grpc-health-check'), '../../proto/health/v1/health.proto');
  const health = clientOf(healthProto, ['grpc', 'health', 'v1', 'Health']);
  t.after(() => health.close());
  for (const service of ['', 'metatrain.v1.JobService', 'metatrain.v1.ClusterService', 'metatrain.v1.WorkerService']) {
    const answer = await new Promise((resolve, reject) =>
      health.check!({ service }, (error: unknown, response: unknown) => (error ? reject(error) : resolve(response))),
    );
    assert.deepEqual(answer, { status: 'SERVING' });
  }
  const reflectionProto = join(packageOf('@grpc/reflection'), '../proto/grpc/reflection/v1/reflection.proto');
  const reflection = clientOf(reflectionProto, ['grpc', 'reflection', 'v1', 'ServerReflection']);
  t.after(() => reflection.close());
  const stream = reflection.ServerReflectionInfo!() as {
    write(message: unknown): void;
    end(): void;
    once(event: string, listener: (answer: unknown) => void): void;
  };
  const answer = new Promise((resolve) => stream.once('data', resolve));
  stream.write({ listServices: '' });
  const { listServicesResponse } = (await answer) as { listServicesResponse: { service: { name: string }[] } };
  stream.end();
  const names = listServicesResponse.service.map(({ name }) => name);
  for (const service of ['JobService', 'ClusterService', 'WorkerService']) {
    assert.ok(names.includes(`metatrain.v1.${service}`), names.join(', '));
  }
});

test('beyond their limit the oldest failed and cancelled jobs and their keys are removed, and succeeded jobs stay', async (t) => {
  const cluster = await TestCluster.start(t, { limits: { endedJobs: 2 } });
  await cluster.worker('w1');
  const succeeded = await cluster.submit();
  await cluster.end(succeeded);
  const cancelled: string[] = [];
  for (let i = 0; i < 4; i += 1) {
    const jobId = await cluster.submit(specText({ iterations: 100_000 }), `key-${i}`);
    await call(cluster.jobs, 'CancelJob', { jobId });
    cancelled.push(jobId);
  }
  const error = await rejection(cluster.job(cancelled[0]!));
  assertStatus(error, status.NOT_FOUND, 'JOB_UNKNOWN', /there is no job/);
  const kept = async () => (await call(cluster.jobs, 'ListJobs', {})).jobs.map(({ jobId }) => jobId);
  assert.deepEqual(await kept(), [cancelled[3], cancelled[2], succeeded]);
  await cluster.restart({ limits: { endedJobs: 2 } });
  assert.deepEqual(await kept(), [cancelled[3], cancelled[2], succeeded]);
  assert.notEqual(await cluster.submit(specText(), 'key-0'), cancelled[0]);
  assert.equal(await cluster.submit(specText({ iterations: 100_000 }), 'key-3'), cancelled[3]);
});
