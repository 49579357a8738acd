// A client behind an entrance that resets streams, answers for the coordinator, or goes silent: every
// event comes once, until the job has ended.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { MetatrainClient, type MetatrainClientOptions } from '../../../client/index.ts';
import { metatrain } from '../../support/command.ts';
import { Entrance } from '../../support/entrance.ts';
import { call, TestCluster } from '../coordinator/cluster.ts';

const watchJob = '/metatrain.v1.JobService/WatchJob';
const watchEvents = '/metatrain.v1.ClusterService/WatchEvents';

async function start(context: TestContext, options: MetatrainClientOptions = {}) {
  const cluster = await TestCluster.start(context);
  const entrance = await Entrance.listen(context, cluster.address);
  const client = new MetatrainClient({ address: entrance.address, ...options });
  context.after(() => client.close());
  return { cluster, entrance, client };
}

async function arrivalOf(entrance: Entrance, path: string): Promise<void> {
  while ((await entrance.arrival()) !== path);
}

/**
 * NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM: what proxies end a silent stream
 * with.
 */
const resetCodes = [0, 2, 7, 8, 11];

test('watches of a job and of events survive every reset of their streams, and report each event once', async (t) => {
  const { cluster, entrance, client } = await start(t);
  const jobId = await cluster.submit();
  for (const [path, events, control, last] of [
    [watchJob, client.watchJob(jobId), 'PauseJob', /"PAUSED"/],
    [watchEvents, client.watchEvents(), 'ResumeJob', /resumed by request/],
  ] as const) {
    const sequences: number[] = [];
    const reading = (async () => {
      for await (const event of events) {
        sequences.push(Number(event.sequence));
        if (last.test(JSON.stringify(event))) return;
      }
    })();
    await arrivalOf(entrance, path);
    for (const code of resetCodes) {
      entrance.resetStreams(code);
      await arrivalOf(entrance, path);
    }
    await call(cluster.jobs, control, { jobId });
    await reading;
    assert.deepEqual(
      sequences,
      sequences.map((_, index) => index + 1),
    );
  }
});

test('a proxy that answers 401, 403, 404 and 502 for a while ends no watch', async (t) => {
  const { cluster, entrance, client } = await start(t);
  const jobId = await cluster.submit();
  for (const httpStatus of [401, 403, 404, 502]) entrance.refuseNext(httpStatus);
  const events = client.watchJob(jobId);
  assert.ok((await events.next()).value);
  assert.deepEqual(entrance.refused, [401, 403, 404, 502]);
  await events.return();
});

test('a call that a proxy answers is reported as such, not as a refusal by the coordinator', async (t) => {
  const { entrance, client } = await start(t);
  entrance.refuseNext(403);
  await assert.rejects(client.listWorkers(), {
    code: 'NOT_READY',
    message:
      /ended with PERMISSION_DENIED .*not an answer of a coordinator of this version: another program .* a proxy/,
  });
});

test('a stream without a sign of life is opened again', async (t) => {
  const { cluster, entrance, client } = await start(t, { longestSilenceMs: 100 });
  const jobId = await cluster.submit();
  entrance.withholdNext();
  const events = client.watchJob(jobId);
  assert.ok((await events.next()).value);
  assert.equal(await entrance.arrival(), watchJob, 'the stream that stayed silent');
  await events.return();
});

test('`metatrain jobs watch` gives up after --give-up-seconds', async (t) => {
  const { cluster, entrance } = await start(t);
  const jobId = await cluster.submit();
  const environment = { METATRAIN_COORDINATOR: entrance.address };
  const watching = metatrain(t, ['jobs', 'watch', jobId, '--give-up-seconds', '0'], environment);
  await arrivalOf(entrance, watchJob);
  await cluster.stop();
  const { code, stderr } = await watching;
  assert.equal(code, 1);
  assert.match(stderr, /^error: /m);
});

test('a proxy from the environment is named if it was used, and NO_PROXY in capitals avoids it', async (t) => {
  const proxied = { METATRAIN_COORDINATOR: 'cluster.invalid:7420', http_proxy: 'http://user:secret@127.0.0.1:9' };
  const through = await metatrain(t, ['workers'], proxied);
  assert.equal(through.code, 1);
  assert.match(
    through.stderr,
    /^error: no coordinator answers at cluster\.invalid:7420 through the proxy 127\.0\.0\.1:9 \(http_proxy\); NO_PROXY=cluster\.invalid/m,
  );
  assert.doesNotMatch(through.stderr, /secret/);
  const past = await metatrain(t, ['workers'], { ...proxied, NO_PROXY: 'cluster.invalid' });
  assert.match(past.stderr, /^error: (there is no host|the name) cluster\.invalid/m);
});
