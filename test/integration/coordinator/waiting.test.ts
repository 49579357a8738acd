// A job that waits says why wherever it is read: GetJob, ListJobs, its story, the HTTP API, its live
// stream and a metric.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JobDetail, JobList } from '../../../shared/http-api.ts';
import { scrape } from '../../support/exposition.ts';
import { ask, EventStream } from '../console/http-client.ts';
import { call, specText, TestCluster } from './cluster.ts';

const http = { host: '127.0.0.1', port: 0 };
const message = 'it needs a worker that offers compiled/cuda (placement); those that are connected offer compiled/cpu';
const waiting = { reason: 'noWorker', message };

test('a job for a device that no worker has shows this reason in every view, until a worker offers the device', async (t) => {
  const cluster = await TestCluster.start(t, { http, core: { waitTellMs: 0 } });
  await cluster.worker('plain');
  const jobId = await cluster.submit(specText({ placement: { device: 'cuda' } }));
  const told = await cluster.watch(jobId, ({ stateChanged }) => stateChanged?.reason === `waits: ${message}`);
  assert.equal(told.at(-1)?.stateChanged?.state, 'JOB_STATE_QUEUED');

  assert.deepEqual((await cluster.job(jobId)).waiting, waiting);
  const { jobs } = await call(cluster.jobs, 'ListJobs', {});
  assert.deepEqual(jobs[0]?.waiting, waiting);
  const row = (await ask(cluster.http, '/api/v1/jobs')).json<JobList>().jobs[0];
  assert.deepEqual(row?.waiting, waiting);
  assert.deepEqual((await ask(cluster.http, `/api/v1/jobs/${jobId}`)).json<JobDetail>().waiting, waiting);
  const metrics = await scrape(cluster.http);
  assert.equal(metrics.get('metatrain_jobs_waiting{reason="noWorker"}'), 1);
  assert.equal(metrics.get('metatrain_jobs_waiting{reason="disk"}'), 0);
  const streams = [`/api/v1/jobs/${jobId}/events`, '/api/v1/events'];
  for (const path of streams) {
    const stream = await EventStream.open(cluster.http, path);
    assert.deepEqual((await stream.next('waiting')).data, { [jobId]: waiting });
    stream.leave();
  }

  await cluster.worker('gpu', { hello: { device: { kind: 'cuda' } } });
  const ended = await cluster.end(jobId);
  assert.deepEqual([ended.state, ended.waiting], ['JOB_STATE_SUCCEEDED', null]);
});

test('a paused job waits by request, and one that is ended waits for nothing', async (t) => {
  const cluster = await TestCluster.start(t);
  const jobId = await cluster.submit();
  const paused = await call(cluster.jobs, 'PauseJob', { jobId });
  assert.equal(paused.waiting?.reason, 'paused');
  const resumed = await call(cluster.jobs, 'ResumeJob', { jobId });
  assert.equal(resumed.waiting?.reason, 'noWorker');
  const cancelled = await call(cluster.jobs, 'CancelJob', { jobId });
  assert.equal(cancelled.waiting, null);
});
