// What one peer may ask of the coordinator's memory. Limits of jobs, watchers, workers and payloads are tested where these are.
import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { connect as tcp } from 'node:net';
import test from 'node:test';
import { compressionAlgorithms, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { JobService } from '../../../shared/wire.ts';
import { call, specText, TestCluster } from '../coordinator/cluster.ts';
import { SecuredCluster, token } from './secured-cluster.ts';

/** Sends whatever it is told to, plain or compressed. */
function submit(
  t: test.TestContext,
  address: string,
  spec: string,
  isCompressed: boolean,
): Promise<ServiceError | null> {
  const client = new JobService(address, credentials.createInsecure(), {
    'grpc.max_send_message_length': -1,
    ...(isCompressed && { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip }),
  });
  t.after(() => client.close());
  return new Promise((resolve) => {
    client.submitJob({ spec }, { deadline: Date.now() + 30_000 }, (error) => resolve(error));
  });
}

test('a message above 4 MiB is refused, also if it is smaller while compressed', async (t) => {
  const cluster = await TestCluster.start(t);
  const large = `# ${'x'.repeat(4 * 2 ** 20)}`;
  for (const isCompressed of [false, true]) {
    const refusal = await submit(t, cluster.address, large, isCompressed);
    assert.equal(refusal?.code, status.RESOURCE_EXHAUSTED, refusal?.message);
  }
  assert.equal(await submit(t, cluster.address, specText(), true), null, 'a compressed job is as good as any');
  assert.equal((await call(cluster.jobs, 'ListJobs', {})).jobs.length, 1);
});

test('a connection may carry 1,024 calls at once, and says so', async (t) => {
  const cluster = await TestCluster.start(t);
  const session = connect(`http://${cluster.address}`);
  t.after(() => session.destroy());
  const settings = await new Promise<{ maxConcurrentStreams?: number }>((resolve, reject) => {
    session.once('remoteSettings', resolve).once('error', reject);
  });
  assert.equal(settings.maxConcurrentStreams, 1_024);
});

test('a worker beyond the limit is refused, and admitted once another has left', async (t) => {
  const cluster = await TestCluster.start(t, { limits: { workers: 1 } });
  const first = await cluster.worker('first');
  const { code, details } = await (await cluster.worker('second')).ended;
  assert.equal(code, status.RESOURCE_EXHAUSTED);
  assert.match(details, /1 workers are connected, the limit of this coordinator/);
  await first.close();
  const third = await cluster.worker('third');
  assert.equal(third.messages[0]?.message, 'welcome');
});

test('connections without an admitted call are closed for new ones, and never a client’s or a worker’s', async (t) => {
  const cluster = await TestCluster.start(t, { limits: { connections: 16 } });
  await cluster.worker('w');
  await call(cluster.jobs, 'ListJobs', {});
  const [host, port] = cluster.address.split(':');
  const silent = Array.from({ length: 40 }, () =>
    tcp(Number(port), host)
      .on('error', () => undefined)
      .resume(),
  );
  t.after(() => {
    for (const socket of silent) socket.destroy();
  });
  let closed = 0;
  await new Promise<void>((resolve) => {
    for (const socket of silent) {
      socket.once('close', () => {
        closed += 1;
        // A quarter of 16 may be strangers'.
        if (closed === 36) resolve();
      });
    }
  });
  const job = await cluster.end(await cluster.submit());
  assert.equal(job.state, 'JOB_STATE_SUCCEEDED');
});

test('where tokens are asked for, a connection that shows none is closed after its time, and one that has shown one stays', async (t) => {
  const reader = token('reader', ['read']);
  const cluster = await SecuredCluster.start(t, [reader], { limits: { strangerMs: 1 } });
  const { address } = cluster.coordinator;
  const session = connect(`http://${address}`).on('error', () => undefined);
  t.after(() => session.destroy());
  const answer = session.request({
    ':method': 'POST',
    ':path': '/metatrain.v1.JobService/ListJobs',
    'content-type': 'application/grpc',
    authorization: `Bearer ${reader.secret}`,
  });
  answer.end(Buffer.alloc(5));
  await new Promise((resolve) => answer.once('response', resolve));
  const [host, port] = address.split(':');
  const silent = tcp(Number(port), host).resume();
  await new Promise((resolve) => silent.once('close', resolve));
  assert.equal(session.closed || session.destroyed, false);
});
