// The worker's HTTP side: what a probe is told before, while and after a coordinator is there, what its metrics count, and who may be let near.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MetatrainClient } from '../../../client/index.ts';
import { type Coordinator, startCoordinator } from '../../../coordinator/main.ts';
import { scrape } from '../../support/exposition.ts';
import { TestProcess } from '../../support/processes.ts';
import { specText } from '../coordinator/cluster.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function coordinatorOn(t: TestContext, port: number): Promise<Coordinator> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-worker-metrics-'));
  t.after(() => rmSync(stateDirectory, { recursive: true, force: true }));
  return startCoordinator({ stateDirectory, host: '127.0.0.1', port, limits: { closeGraceMs: 200 } });
}

test('a worker is alive at once, ready while a coordinator gives it shards, and counts what it computes', async (t) => {
  const port = await freePort();
  const worker = new TestProcess(t, 'worker/main.js', [
    ...['--coordinator', `127.0.0.1:${port}`, '--http', '127.0.0.1:0', '--slots', '1', '--worker-id', 'w'],
  ]);
  await worker.stderrSays(/no connection/);
  const http = /"http":"([^"]+)"/.exec(worker.stderr)?.[1] ?? '';
  const probe = async (path: string) => {
    const response = await fetch(`http://${http}${path}`);
    return { status: response.status, text: await response.text() };
  };
  assert.deepEqual(await probe('/healthz'), { status: 200, text: 'ok\n' });
  const before = await probe('/readyz');
  assert.equal(before.status, 503);
  assert.match(before.text, /^not ready: no shards are taken: the session is (waiting|greeting)/);
  const alone = await scrape(http);
  assert.equal(alone.get('metatrain_worker_connected'), 0);
  assert.ok(alone.get('metatrain_worker_connection_losses_total')! > 0);

  const coordinator = await coordinatorOn(t, port);
  t.after(() => coordinator.close());
  assert.deepEqual(await worker.ready(), { workerId: 'w', http });
  assert.deepEqual(await probe('/readyz'), { status: 200, text: 'ready\n' });
  const client = new MetatrainClient({ address: coordinator.address });
  t.after(() => client.close());
  const { jobId } = await client.submitJob(
    specText({ iterations: 5, batchSize: 4, shardSize: 2, placement: { spans: 'never' } }),
  );
  for await (const _ of client.watchJob(jobId));
  const found = await scrape(http);
  const of = (series: string) => found.get(`metatrain_${series}`) ?? Number.NaN;
  assert.equal(of('worker_connected'), 1);
  assert.equal(of('worker_connections_total'), 1);
  assert.equal(of('worker_shards_ended_total{work="initialize",outcome="finished"}'), 1);
  assert.equal(of('worker_shards_ended_total{work="train",outcome="finished"}'), 10);
  assert.equal(of('worker_shards_ended_total{work="train",outcome="failed"}'), 0);
  assert.equal(of('worker_compute_seconds_count{work="train"}'), 10);
  assert.ok(of('engine_run_seconds_total{work="train"}') > 0);
  assert.ok(of('engine_run_seconds_total{work="train"}') <= of('worker_compute_seconds_sum{work="train"}'));
  const traced = of('engine_trace_seconds_count');
  assert.ok(traced >= 2, `${traced} programs: one to train, one to evaluate`);
  assert.equal(of('engine_sessions_total{origin="created"}') + of('engine_sessions_total{origin="shared"}'), traced);
  assert.equal(of('engine_session_seconds_count'), of('engine_sessions_total{origin="created"}'));
  assert.ok(of('worker_params_received_bytes_total') > 0);
  assert.ok(of('worker_results_sent_bytes_total') > of('worker_params_received_bytes_total'));
  assert.equal(
    of('worker_results_sent_total{origin="computed"}'),
    1 + 10 + of('worker_shards_ended_total{work="evaluate",outcome="finished"}'),
  );
  assert.ok(of('worker_peak_resident_bytes') > 2 ** 25, 'Node alone takes more than 32 MiB');

  await coordinator.close();
  while ((await probe('/readyz')).status !== 503) await worker.stderrSays(/no connection/);
  worker.child.kill('SIGTERM');
  assert.equal((await worker.exited).code, 0);
  await assert.rejects(fetch(`http://${http}/healthz`));
});

test("a worker's metrics are served beyond this machine only with the flag for it", async (t) => {
  for (const [args, environment] of [
    [['--http', '0.0.0.0:0'], {}],
    [[], { METATRAIN_HTTP: '[::]:0' }],
  ] as const) {
    const worker = new TestProcess(t, 'worker/main.js', args, environment);
    assert.equal((await worker.exited).code, 2);
    assert.match(
      worker.stderr,
      /^error: --http: got (0\.0\.0\.0|::), .* accepted: a loopback address, or --http-exposed$/m,
    );
  }
  const worker = new TestProcess(t, 'worker/main.js', [
    ...['--http', '0.0.0.0:0', '--http-exposed', '--slots', '1', '--coordinator', '127.0.0.1:1'],
  ]);
  await worker.stderrSays(/"http":"0\.0\.0\.0:\d+"/);
});

test('an invalid address is wrong usage, and an address in use is named', async (t) => {
  for (const address of ['here', '127.0.0.1:70000', 'http://127.0.0.1:80']) {
    const worker = new TestProcess(t, 'worker/main.js', ['--http', address]);
    assert.equal((await worker.exited).code, 2);
    assert.match(worker.stderr, /Accepted: HOST:PORT, such as 127\.0\.0\.1:7422/);
  }
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const worker = new TestProcess(t, 'worker/main.js', ['--http', address, '--slots', '1']);
  assert.equal((await worker.exited).code, 1);
  assert.match(worker.stderr, new RegExp(`cannot serve HTTP on ${address}: another program listens there`));
});
