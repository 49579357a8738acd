// What both ends of the wire take from proto/: the services are all there, numbers and absent fields look as the types say.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  ClusterService,
  JobService,
  ModelService,
  maxChunkBytes,
  maxMessageBytes,
  packageRoot,
  WorkerService,
} from '../../../shared/wire.ts';

test('every call of the contract is served under its path', () => {
  const paths = [JobService, ModelService, ClusterService, WorkerService].flatMap(({ service }) =>
    Object.values(service).map(({ path }) => path),
  );
  assert.deepEqual(paths.sort(), [
    '/metatrain.v1.ClusterService/ListWorkers',
    '/metatrain.v1.ClusterService/WatchEvents',
    '/metatrain.v1.JobService/CancelJob',
    '/metatrain.v1.JobService/DeleteJob',
    '/metatrain.v1.JobService/DownloadCheckpoint',
    '/metatrain.v1.JobService/GetJob',
    '/metatrain.v1.JobService/GetShard',
    '/metatrain.v1.JobService/ListJobs',
    '/metatrain.v1.JobService/PauseJob',
    '/metatrain.v1.JobService/ResumeJob',
    '/metatrain.v1.JobService/SubmitJob',
    '/metatrain.v1.JobService/WatchJob',
    '/metatrain.v1.ModelService/Adapt',
    '/metatrain.v1.ModelService/DropAdapted',
    '/metatrain.v1.ModelService/GetAdapted',
    '/metatrain.v1.ModelService/ListAdapted',
    '/metatrain.v1.ModelService/Predict',
    '/metatrain.v1.WorkerService/Connect',
  ]);
});

test('a job comes back with its numbers as numbers, its state by name and absent messages as null', () => {
  const { responseSerialize, responseDeserialize } = JobService.service.GetJob;
  const job = responseDeserialize(
    responseSerialize({ jobId: 'j', state: 'JOB_STATE_RUNNING', steps: 2 ** 40, iterations: 7 }),
  );
  assert.equal(job.steps, 2 ** 40);
  assert.equal(job.state, 'JOB_STATE_RUNNING');
  assert.equal(job.error, null);
  assert.deepEqual(job.evaluations, []);
  assert.equal(job.paramsSha256, '');
});

test('a worker message names which of its kinds it is', () => {
  const { requestSerialize, requestDeserialize } = WorkerService.service.Connect;
  const message = requestDeserialize(requestSerialize({ heartbeat: { sequence: 3 } }));
  assert.equal(message.message, 'heartbeat');
  assert.equal(message.heartbeat?.sequence, 3);
});

test('a whole chunk and its envelope fit into a message', () => {
  const { requestSerialize } = WorkerService.service.Connect;
  const bytes = requestSerialize({
    payloadChunk: {
      payloadSha256: Buffer.alloc(32, 255),
      payloadBytes: Number.MAX_SAFE_INTEGER,
      offset: Number.MAX_SAFE_INTEGER,
      data: Buffer.alloc(maxChunkBytes),
    },
  });
  assert.ok(bytes.byteLength < maxMessageBytes);
});

test('the package root holds what is shipped', () => {
  for (const name of ['proto/metatrain/v1/job.proto', 'package.json']) assert.ok(existsSync(join(packageRoot, name)));
});
