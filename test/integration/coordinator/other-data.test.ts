// Workers that draw their tasks from other data than the job began with: what they send never counts,
// and both hashes are named.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { DataIdentity } from '../../../shared/data-identity.ts';
import { Mailbox } from '../../support/mailbox.ts';
import { call, specText, TestCluster } from './cluster.ts';

const dataOf = (digit: string): DataIdentity[] => [{ name: 'letters', part: 'small', sha256: digit.repeat(64) }];
const [begun, other] = [dataOf('a'), dataOf('b')];
const refusal = `the job keeps to the data it began with, letters small sha256 ${'a'.repeat(64)}; read here: letters small sha256 ${'b'.repeat(64)}`;

const workersOf = async (cluster: TestCluster) => (await call(cluster.cluster, 'ListWorkers', {})).workers;

/**
 * A job whose worker of one slot has come to meta-step 2 and answers nothing more until it is told to
 * go on.
 */
async function heldJob(cluster: TestCluster) {
  const held: (() => void)[] = [];
  let isHolding = true;
  const holding = new Mailbox<string>();
  await cluster.worker('right', {
    data: begun,
    onLease(lease, worker) {
      if (!isHolding || (lease.train?.metaStep ?? 0) < 2) return worker.answer(lease);
      held.push(() => worker.answer(lease));
      holding.put(lease.jobId);
    },
  });
  await cluster.submit();
  const jobId = await holding.take('the lease that is held');
  const goOn = () => {
    isHolding = false;
    for (const answer of held) answer();
  };
  return { jobId, goOn };
}

test('results made with other data never count, and the job gives the bytes that it gives without them', async (t) => {
  const cluster = await TestCluster.start(t);
  const { jobId, goOn } = await heldJob(cluster);
  const wrong = await cluster.worker('wrong', { data: other, slots: 4 });
  await cluster.watch(jobId, ({ shardRetried }) => !!shardRetried);
  goOn();
  const together = await cluster.end(jobId);
  const alone = await cluster.end(await cluster.submit());
  assert.equal(together.state, 'JOB_STATE_SUCCEEDED');
  assert.deepEqual(together.data, begun);
  assert.equal(together.paramsSha256, alone.paramsSha256);
  assert.ok(wrong.cancelled.length > 0 && wrong.cancelled.every(({ reason }) => reason === refusal), 'it is told why');
  const retries = (await cluster.watch(jobId)).flatMap(({ shardRetried }) => shardRetried ?? []);
  assert.ok(retries.every(({ workerId, reason }) => workerId === 'wrong' && reason === refusal));
});

test('a job whose workers all read other data waits with that reason, and goes on with the first worker that has its data', async (t) => {
  const cluster = await TestCluster.start(t);
  const { jobId } = await heldJob(cluster);
  await cluster.restart();
  await cluster.worker('wrong', { data: other });
  await cluster.watch(jobId, ({ shardRetried }) => shardRetried?.reason === refusal);
  const [wrong] = await workersOf(cluster);
  assert.equal(wrong?.idleReason, `refused by job ${jobId}: ${refusal}`);
  assert.equal(wrong.state, 'WORKER_STATE_IDLE');
  assert.equal((await cluster.job(jobId)).state, 'JOB_STATE_RUNNING');
  await cluster.worker('right again', { data: begun });
  assert.equal((await cluster.end(jobId)).state, 'JOB_STATE_SUCCEEDED');
  const again = (await workersOf(cluster)).find(({ workerId }) => workerId === 'right again');
  assert.deepEqual(again?.data, begun);
});

test('a job keeps to its data across a restart of the coordinator, and tells every worker which that is', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('right', { data: begun });
  const jobId = await cluster.submit(specText({ iterations: 100_000, checkpoint: { every: 10 } }));
  await cluster.watch(jobId, ({ checkpointWritten }) => !!checkpointWritten);
  await cluster.restart();
  const wrong = await cluster.worker('wrong', { data: other });
  await cluster.watch(jobId, ({ shardRetried }) => shardRetried?.reason === refusal);
  assert.equal(wrong.leases.length, 1);
  assert.deepEqual(wrong.messages.find(({ jobOpened }) => jobOpened)?.jobOpened?.data, begun);
  await call(cluster.jobs, 'CancelJob', { jobId });
});

test('a result whose data lacks a name or a hash is rejected', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('w', { data: [{ name: '', part: 'small', sha256: 'a'.repeat(64) }] });
  const jobId = await cluster.submit();
  const rejected = await cluster.watch(jobId, ({ shardRetried }) => !!shardRetried);
  const reason = rejected.at(-1)?.shardRetried?.reason ?? '';
  assert.match(reason, /^shard result: data: got a data set without name, part or hash; accepted: /);
  await call(cluster.jobs, 'CancelJob', { jobId });
});
