// What the HTTP API answers: the same checks, limits and errors as gRPC, streams that cost their reader and nobody else, whole checkpoints or none.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { OpenAnswers } from '../../../coordinator/http/open-answers.ts';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { type Clock, realClock } from '../../../shared/clock.ts';
import type { ClusterEvent } from '../../../shared/cluster-event.ts';
import type { JobDetail, JobEvent, JobList, WorkerList } from '../../../shared/http-api.ts';
import { startHttpServer } from '../../../shared/http-server.ts';
import { silentLogger } from '../../../shared/log.ts';
import { Mailbox } from '../../support/mailbox.ts';
import { call, rejection, specText, TestCluster } from '../coordinator/cluster.ts';
import { openGate } from '../coordinator/open-gate.ts';
import { SecuredCluster, token } from '../security/secured-cluster.ts';
import { ask, EventStream, post } from './http-client.ts';

const http = { host: '127.0.0.1', port: 0 };
const start = (t: TestContext, limits = {}) => TestCluster.start(t, { http, limits });

test('a job submitted over HTTP is the job that gRPC tells of', async (t) => {
  const cluster = await start(t);
  const submitted = await post(cluster.http, '/api/v1/jobs', { spec: specText(), idempotency_key: 'nightly' });
  const { jobId, alreadySubmitted } = submitted.json<{ jobId: string; alreadySubmitted: boolean }>();
  assert.equal(alreadySubmitted, false);
  assert.deepEqual(
    (await post(cluster.http, '/api/v1/jobs', { spec: specText(), idempotency_key: 'nightly' })).json(),
    {
      jobId,
      alreadySubmitted: true,
    },
  );
  await cluster.worker('w1');
  const ended = await cluster.end(jobId);
  const job = (await ask(cluster.http, `/api/v1/jobs/${jobId}`)).json<JobDetail>();
  assert.equal(job.state, 'succeeded');
  assert.equal(job.paramsSha256, ended.paramsSha256);
  assert.equal(job.steps, 20);
  assert.deepEqual(job.spec, JSON.parse(ended.spec));
  assert.deepEqual(parseJobSpec(job.specYaml), job.spec);
  assert.equal(job.checkpoints.at(-1)?.sha256, ended.checkpoints.at(-1)?.sha256);
  assert.equal(job.evaluations.length, ended.evaluations.length);
  const list = (await ask(cluster.http, '/api/v1/jobs?state=succeeded')).json<JobList>();
  assert.deepEqual(
    list.jobs.map((row) => row.jobId),
    [jobId],
  );
  assert.deepEqual((await ask(cluster.http, '/api/v1/jobs?state=failed&state=queued')).json<JobList>().jobs, []);
  const { workers, total } = (await ask(cluster.http, '/api/v1/workers')).json<WorkerList>();
  assert.equal(total, 1);
  assert.equal(workers[0]?.workerId, 'w1');
  assert.equal(workers[0]?.state, 'idle');
});

test('pages of the list go on where the one before ended', async (t) => {
  const cluster = await start(t);
  const ids: string[] = [];
  for (let i = 0; i < 3; i += 1) ids.unshift(await cluster.submit());
  const first = (await ask(cluster.http, '/api/v1/jobs?page_size=2')).json<JobList>();
  const second = (
    await ask(cluster.http, `/api/v1/jobs?page_size=2&page_token=${first.nextPageToken}`)
  ).json<JobList>();
  assert.deepEqual(
    [...first.jobs, ...second.jobs].map(({ jobId }) => jobId),
    ids,
  );
  assert.equal(second.nextPageToken, '');
});

test('HTTP refuses what gRPC refuses, in the same words', async (t) => {
  const cluster = await start(t, { unfinishedJobs: 2 });
  const { jobs } = cluster;
  const jobId = await cluster.submit(specText(), 'key');
  const ended = await cluster.submit();
  await call(jobs, 'CancelJob', { jobId: ended });
  const submit = (spec: string, idempotencyKey = '') => [
    () => post(cluster.http, '/api/v1/jobs', { spec, idempotency_key: idempotencyKey }),
    () => call(jobs, 'SubmitJob', { spec, idempotencyKey }),
  ];
  const control = (action: 'cancel' | 'resume', id: string) => [
    () => post(cluster.http, `/api/v1/jobs/${id}/${action}`),
    () => call(jobs, action === 'cancel' ? 'CancelJob' : 'ResumeJob', { jobId: id }),
  ];
  const pairs = [
    [400, ...submit('name: [unclosed')],
    [400, ...submit('name: x\nzeal: 1')],
    [400, ...submit(`# ${'x'.repeat(70_000)}`)],
    [400, ...submit(specText(), 'k'.repeat(129))],
    [409, ...submit(specText({ iterations: 21 }), 'key')],
    [404, ...control('cancel', 'nope')],
    [409, ...control('cancel', ended)],
    [409, ...control('resume', jobId)],
    [404, () => ask(cluster.http, '/api/v1/jobs/nope'), () => cluster.job('nope')],
    [400, () => ask(cluster.http, '/api/v1/jobs?page_size=501'), () => call(jobs, 'ListJobs', { pageSize: 501 })],
    [400, () => ask(cluster.http, '/api/v1/jobs?page_token=x'), () => call(jobs, 'ListJobs', { pageToken: 'x' })],
  ] as [number, () => ReturnType<typeof ask>, () => Promise<unknown>][];
  for (const [status, overHttp, overGrpc] of pairs) {
    const answer = await overHttp();
    const error = await rejection(overGrpc());
    assert.equal(answer.status, status, answer.body.toString());
    assert.deepEqual([answer.json().error.code], error.metadata.get('metatrain-code'));
    assert.equal(answer.json().error.message, error.details);
  }
  await cluster.submit();
  assert.equal((await post(cluster.http, '/api/v1/jobs', { spec: specText() })).status, 429);
});

test('a request that makes no sense is told which field, what it was and what is accepted', async (t) => {
  const { http: address } = await start(t);
  const json = { 'content-type': 'application/json' };
  const submit = (body: string) => ask(address, '/api/v1/jobs', { method: 'POST', headers: json, body });
  const cases: [request: Promise<{ status: number; json(): { error: { message: string } } }>, message: RegExp][] = [
    [submit('{'), /^\(body\): got no JSON; accepted: \{"spec": /],
    [submit('[]'), /^\(body\): got \[\]; accepted: an object/],
    [submit('{}'), /^spec: got undefined; accepted: the job file as text/],
    [submit('{"spec":"x","idempotency_key":1}'), /^idempotency_key: got number; accepted: a text/],
    [submit('{"spec":"x","idempotencyKey":"k"}'), /^idempotencyKey: got a field that is unknown; accepted: spec, idem/],
    [submit(`{"spec":"${'x'.repeat(500_000)}"}`), /^\(body\): got more than 397312 bytes; accepted: a job file/],
    [ask(address, '/api/v1/jobs?page_size=many'), /^page_size: got "many"; accepted: a whole number/],
    [ask(address, '/api/v1/jobs?state=done'), /^state: got "done"; accepted: queued, running, paused/],
    [ask(address, '/api/v1/events?after=-1'), /^after: got "-1"; accepted: a whole number/],
    [ask(address, '/api/v1/jobs/x/checkpoints/1.5'), /there is no job "x"|^step: got "1.5"/],
  ];
  for (const [request, message] of cases) {
    const answer = await request;
    assert.ok(answer.status === 400 || answer.status === 404);
    assert.match(answer.json().error.message, message);
  }
  const { error } = (await post(address, '/api/v1/jobs', { spec: 'name: 1' })).json<{
    error: { problems: { field: string }[] };
  }>();
  assert.deepEqual(error.problems.map(({ field }) => field).sort(), ['algorithm', 'meta', 'model', 'name', 'task']);
});

test("a job's stream replays, follows and ends with the job; one that was cut off goes on after its last event", async (t) => {
  const cluster = await start(t);
  const jobId = await cluster.submit();
  const path = `/api/v1/jobs/${jobId}/events`;
  const live = await EventStream.open(cluster.http, path);
  assert.equal(((await live.next('happened')).data as JobEvent & { state: string }).state, 'queued');
  await live.next('caught-up');
  await cluster.worker('w1');
  const last = await live.next(
    'happened',
    (event: JobEvent) => event.kind === 'stateChanged' && event.state === 'succeeded',
  );
  assert.deepEqual((await live.next('end')).data, {});
  await live.ended;
  const { sequence } = last.data as JobEvent;
  assert.equal(last.id, String(sequence));
  const resumed = await EventStream.open(cluster.http, path, { 'last-event-id': String(sequence - 1) });
  assert.deepEqual((await resumed.next('happened')).data, last.data);
  await resumed.next('end');
});

test('the stream of the cluster tells of jobs and workers as they change', async (t) => {
  const cluster = await start(t);
  const earlier = await cluster.submit();
  const stream = await EventStream.open(cluster.http, '/api/v1/events');
  assert.equal(((await stream.next('workers')).data as WorkerList).total, 0);
  assert.equal(((await stream.next('happened')).data as ClusterEvent).subject, earlier);
  await stream.next('caught-up');
  await cluster.worker('w1', { onLease() {} });
  const connected = await stream.next('happened', ({ type }: ClusterEvent) => type === 'metatrain.v1.worker.connected');
  await stream.next('workers', ({ workers }: WorkerList) => workers[0]?.leases === 1);
  const again = await EventStream.open(cluster.http, `/api/v1/events?after=${Number(connected.id) - 1}`);
  assert.deepEqual((await again.next('happened')).data, connected.data);
  for (const { leave } of [stream, again].map((open) => ({ leave: () => open.leave() }))) leave();
});

test('streams and downloads over HTTP are limited in all and by client', async (t) => {
  const cluster = await start(t, { httpAnswers: 1 });
  const stream = await EventStream.open(cluster.http, '/api/v1/events');
  await stream.next('caught-up');
  const refused = await ask(cluster.http, '/api/v1/events');
  assert.equal(refused.status, 429);
  assert.match(refused.json().error.message, /^1 streams and downloads are open, the limit over HTTP$/);
  stream.leave();

  const [alice, bob] = [token('alice', ['read']), token('bob', ['read'])];
  const secured = await SecuredCluster.start(t, [alice, bob], { http, limits: { callsPerClient: 1 } });
  const headers = (of: typeof alice) => ({ authorization: `Bearer ${of.secret}` });
  const first = await EventStream.open(secured.coordinator.http!, '/api/v1/events', headers(alice));
  await first.next('caught-up');
  const second = await ask(secured.coordinator.http!, '/api/v1/events', { headers: headers(alice) });
  assert.match(second.json().error.message, /^alice has 1 streams and downloads open, the limit for one client$/);
  const others = await EventStream.open(secured.coordinator.http!, '/api/v1/events', headers(bob));
  await others.next('caught-up');
});

test('a reader that stops reading holds one message in memory, and is dropped', async (t) => {
  let now = 0;
  const clock: Clock = { ...realClock, elapsedMs: () => now, every: () => () => undefined };
  const answers = new OpenAnswers({ answers: 10, answersPerClient: 10, stallMs: 30_000 }, { clock, log: silentLogger });
  const chunk = Buffer.alloc(262_144, 'x');
  const ended = new Mailbox<number>();
  let asked = 0;
  const server = await startHttpServer(
    { host: '127.0.0.1', port: 0 },
    {
      routes: [
        (app) =>
          app.get('/endless', openGate.admits('read'), (context) =>
            answers.pour(
              context,
              { headers: { 'content-type': 'text/plain' }, lastWords: () => '' },
              async function* (over) {
                try {
                  for (; !over.aborted; asked += 1) yield chunk;
                } finally {
                  ended.put(asked);
                }
              },
            ),
          ),
      ],
      health: { notReady: () => undefined },
      log: silentLogger,
    },
  );
  t.after(() => server.close(0));
  const socket = connect(Number(server.address.split(':')[1]), '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => socket.once('readable', resolve));
  socket.pause();
  // What the kernel takes for itself varies; once a sweep finds that nothing more leaves, nothing more is asked for.
  let before = -1;
  while (asked !== before) {
    before = asked;
    await new Promise((resolve) => setImmediate(resolve));
    answers.sweep();
    await ask(server.address, '/healthz');
  }
  now = 29_999;
  answers.sweep();
  assert.equal(ended.size, 0);
  assert.equal(asked, before, 'nothing is asked for while nothing is read');
  now = 30_000;
  answers.sweep();
  assert.equal(await ended.take('the end of what nobody reads'), asked);
});

test('a checkpoint comes whole, and a corrupt one breaks off before it is', async (t) => {
  const cluster = await start(t);
  await cluster.worker('w1');
  const jobId = await cluster.submit(specText({ checkpoint: { every: 10 } }));
  const job = await cluster.end(jobId);
  const newest = job.checkpoints.at(-1)!;
  const answer = await ask(cluster.http, `/api/v1/jobs/${jobId}/checkpoints/latest`);
  assert.equal(createHash('sha256').update(answer.body).digest('hex'), newest.sha256);
  assert.equal(answer.headers['content-disposition'], `attachment; filename="${jobId}-step-20.safetensors"`);
  assert.equal(answer.headers['content-length'], String(newest.bytes));
  const other = await ask(cluster.http, `/api/v1/jobs/${jobId}/checkpoints/10`);
  assert.equal(createHash('sha256').update(other.body).digest('hex'), job.checkpoints[0]?.sha256);
  const missing = await ask(cluster.http, `/api/v1/jobs/${jobId}/checkpoints/7`);
  assert.equal(missing.status, 404);
  assert.match(missing.json().error.message, /has no checkpoint of meta-step 7; kept: 10, 20/);

  const file = join(cluster.stateDirectory, 'checkpoints', jobId, 'step-000000020.safetensors');
  writeFileSync(file, Buffer.alloc(newest.bytes));
  await assert.rejects(
    ask(cluster.http, `/api/v1/jobs/${jobId}/checkpoints/latest`),
    /aborted|socket hang up|ECONNRESET/,
  );
  writeFileSync(file, 'short');
  const torn = await ask(cluster.http, `/api/v1/jobs/${jobId}/checkpoints/latest`);
  assert.equal(torn.json().error.code, 'CHECKPOINT_CORRUPT');
});

test('a coordinator that closes says so on its streams', async (t) => {
  const cluster = await start(t);
  const stream = await EventStream.open(cluster.http, '/api/v1/events');
  await stream.next('caught-up');
  const [{ data }] = await Promise.all([stream.next('end'), cluster.stop()]);
  assert.equal((data as { error: { code: string } }).error.code, 'SHUTTING_DOWN');
  await stream.ended;
});

test("the console's files are served with their types, under a policy that allows nothing foreign", async (t) => {
  const { http: address } = await start(t);
  const types: Record<string, RegExp> = {
    '/': /^text\/html/,
    '/submit': /^text\/html/,
    '/jobs/any': /^text\/html/,
    '/assets/console/main.js': /^text\/javascript/,
    '/assets/shared/numbers.js': /^text\/javascript/,
    '/assets/shared/web/chart.js': /^text\/javascript/,
    '/assets/shared/web/chart.css': /^text\/css/,
    '/assets/uplot/uPlot.esm.js': /^text\/javascript/,
    '/assets/uplot/uPlot.min.css': /^text\/css/,
    '/assets/console/page.css': /^text\/css/,
    '/assets/console/icon.svg': /^image\/svg\+xml$/,
  };
  for (const [path, type] of Object.entries(types)) {
    const { status, headers } = await ask(address, path);
    assert.equal(status, 200, path);
    assert.match(String(headers['content-type']), type);
    const policy = String(headers['content-security-policy']);
    const isPage = String(headers['content-type']).startsWith('text/html');
    const scripts = isPage ? "'self' 'sha256-[^']+'" : "'self'";
    assert.match(policy, new RegExp(`^default-src 'none'; script-src ${scripts}; style-src 'self';`));
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    const again = await ask(address, path, { headers: { 'if-none-match': String(headers.etag) } });
    assert.equal(again.status, 304);
    assert.equal(again.body.length, 0);
  }
  const elsewhere = [
    '/assets/console/../../package.json',
    '/assets/%2e%2e/%2e%2e/package.json',
    '/assets/shared/tokens.js',
  ];
  for (const path of elsewhere) assert.equal((await ask(address, path)).status, 404, path);
});
