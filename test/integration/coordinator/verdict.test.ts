// What a job's record holds of its claim: the changes that were submitted with it, and the verdict,
// once it has succeeded and not before.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JobDetail } from '../../../shared/http-api.ts';
import { ask, post } from '../console/http-client.ts';
import { call, rejection, specText, TestCluster } from './cluster.ts';

// The null worker's loss after 1 inner step is 4 ± 1.59 over 8 tasks.
const published = {
  source: 'A paper',
  measure: 'loss',
  at: { 1: { mean: 4, halfWidth95: 1 } },
  protocol: {
    task: { distribution: 'sinusoid', shots: 5, queries: 5 },
    meta: { iterations: 70_000 },
    evaluation: { tasks: 8 },
    transductive: false,
  },
  differences: ['its workers compute nothing'],
};
const withFigure = (options = {}) => JSON.stringify({ ...JSON.parse(specText(options)), published });

test('the record of a job that succeeded has its verdict and its overrides, over gRPC, HTTP and a restart', async (t) => {
  const http = { host: '127.0.0.1', port: 0 };
  const cluster = await TestCluster.start(t, { http });
  await cluster.worker('w1');
  const overrides = ['meta.iterations=3', 'seed=1'];
  const { jobId } = await call(cluster.jobs, 'SubmitJob', { spec: withFigure({ iterations: 3 }), overrides });
  const job = await cluster.end(jobId);
  const verdict = {
    outcome: 'reached',
    text: 'Published figure reached: it lies inside our interval, or ours is better; the protocol differs in 2 points',
    differences: ['meta.iterations: 3 instead of 70,000', 'its workers compute nothing'],
    obstacles: [],
  };
  assert.deepEqual([job.verdict, job.overrides], [verdict, overrides]);
  const detail = (await ask(cluster.http, `/api/v1/jobs/${jobId}`)).json<JobDetail>();
  assert.deepEqual([detail.verdict, detail.overrides], [verdict, overrides]);
  const body = { spec: specText(), overrides };
  const { jobId: overHttp } = (await post(cluster.http, '/api/v1/jobs', body)).json<{ jobId: string }>();
  assert.deepEqual((await cluster.job(overHttp)).overrides, overrides);
  await cluster.restart({ http });
  assert.deepEqual((await call(cluster.jobs, 'GetJob', { jobId })).verdict, verdict);
});

test('a running or cancelled job, or a job without a figure, has no verdict', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('w1');
  const spec = withFigure({ iterations: 1_000_000, evaluation: { tasks: 8, every: 1 } });
  const { jobId } = await call(cluster.jobs, 'SubmitJob', { spec });
  await cluster.watch(jobId, ({ event }) => event === 'evaluated');
  const running = await call(cluster.jobs, 'GetJob', { jobId });
  assert.ok(running.evaluations.length > 0);
  assert.equal(running.verdict, null);
  assert.equal((await call(cluster.jobs, 'CancelJob', { jobId })).verdict, null);
  const bare = await cluster.end(await cluster.submit(specText({ iterations: 2 })));
  assert.deepEqual([bare.state, bare.verdict, bare.overrides], ['JOB_STATE_SUCCEEDED', null, []]);
});

test('a submission with too many or too long overrides is refused', async (t) => {
  const cluster = await TestCluster.start(t);
  const submit = (overrides: readonly string[]) =>
    rejection(call(cluster.jobs, 'SubmitJob', { spec: specText(), overrides: [...overrides] }));
  assert.match((await submit(Array(101).fill('a=b'))).details, /overrides: got 101 texts; accepted: at most 100/);
  assert.match((await submit(['a'.repeat(401)])).details, /overrides: got 401 characters; accepted: at most 400 each/);
});
