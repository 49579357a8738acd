// What a token that is let in still may not do: touch another's jobs, another worker's leases or its name, or have more open than one
// client may.
import assert from 'node:assert/strict';
import test from 'node:test';
import { type ServiceError, status } from '@grpc/grpc-js';
import { Mailbox } from '../../support/mailbox.ts';
import { call, collect, rejection, specText } from '../coordinator/cluster.ts';
import { type JobLease, smallLayout } from '../coordinator/null-worker.ts';
import { SecuredCluster, token } from './secured-cluster.ts';

const alice = token('alice', ['submit', 'read']);
const bob = token('bob', ['submit', 'read']);
const admin = token('admin', ['admin']);
const poolA = token('pool-a', ['worker']);
const poolB = token('pool-b', ['worker']);

function assertRefused(error: ServiceError, code: status, metatrainCode: string, message: RegExp): void {
  assert.equal(status[error.code], status[code], error.message);
  assert.deepEqual(error.metadata.get('metatrain-code'), [metatrainCode]);
  assert.match(error.details, message);
}

test('only its owner and admins can cancel, pause and resume a job', async (t) => {
  const cluster = await SecuredCluster.start(t, [alice, bob, admin]);
  const { jobId } = await call(cluster.jobs(alice), 'SubmitJob', { spec: specText() });
  for (const action of ['PauseJob', 'ResumeJob', 'CancelJob'] as const) {
    const refusal = await rejection(call(cluster.jobs(bob), action, { jobId }));
    assertRefused(
      refusal,
      status.PERMISSION_DENIED,
      'FORBIDDEN',
      /was not submitted by bob; only the one who submitted it/,
    );
  }
  assert.equal((await call(cluster.jobs(bob), 'GetJob', { jobId })).state, 'JOB_STATE_QUEUED');
  assert.equal((await call(cluster.jobs(alice), 'PauseJob', { jobId })).state, 'JOB_STATE_PAUSED');
  assert.equal((await call(cluster.jobs(admin), 'ResumeJob', { jobId })).state, 'JOB_STATE_QUEUED');
  assert.equal((await call(cluster.jobs(alice), 'CancelJob', { jobId })).state, 'JOB_STATE_CANCELLED');
});

test("a client's idempotency key reveals nothing of another client's job", async (t) => {
  const cluster = await SecuredCluster.start(t, [alice, bob]);
  const submit = (of: typeof alice) =>
    call(cluster.jobs(of), 'SubmitJob', { spec: specText(), idempotencyKey: 'nightly' });
  const first = await submit(alice);
  assert.deepEqual(await submit(alice), { jobId: first.jobId, alreadySubmitted: true });
  const other = await submit(bob);
  assert.equal(other.alreadySubmitted, false);
  assert.notEqual(other.jobId, first.jobId);
});

test('a client at its limit of unfinished jobs or open calls is refused, and another is not', async (t) => {
  const limits = { unfinishedJobsPerClient: 2, callsPerClient: 3 };
  const cluster = await SecuredCluster.start(t, [alice, bob], { limits });
  const submit = (of: typeof alice) => call(cluster.jobs(of), 'SubmitJob', { spec: specText() });
  const { jobId } = await submit(alice);
  await submit(alice);
  assertRefused(
    await rejection(submit(alice)),
    status.RESOURCE_EXHAUSTED,
    'QUEUE_FULL',
    /^2 jobs of alice have not ended/,
  );
  await submit(bob);

  const watches = [1, 2, 3].map(() => cluster.jobs(alice).WatchJob({ jobId }));
  await Promise.all(watches.map((watch) => new Promise((resolve) => watch.once('data', resolve))));
  assertRefused(
    await rejection(call(cluster.jobs(alice), 'GetJob', { jobId })),
    status.RESOURCE_EXHAUSTED,
    'QUEUE_FULL',
    /^alice has 3 calls open/,
  );
  await call(cluster.jobs(bob), 'GetJob', { jobId });
  // A job that is cancelled ends its watches, and what has ended is counted no more.
  const ended = watches.map((watch) => collect(watch));
  await call(cluster.jobs(bob), 'GetJob', { jobId });
  watches[0]!.cancel();
  await rejection(ended[0]!);
  await call(cluster.jobs(alice), 'CancelJob', { jobId });
  await Promise.all(ended.slice(1));
  await submit(alice);
});

test("messages of a worker about another worker's lease are ignored", async (t) => {
  // Never twice, or the thief would get a lease of the shard for itself.
  const core = { duplicateFloorMs: 3_600_000 };
  const cluster = await SecuredCluster.start(t, [alice, poolA, poolB], { core });
  const jobs = cluster.jobs(alice);
  const { jobId: honestJob } = await call(jobs, 'SubmitJob', { spec: specText() });
  const alone = await cluster.worker('alone', poolA);
  await collect(jobs.WatchJob({ jobId: honestJob }));
  const honest = await call(jobs, 'GetJob', { jobId: honestJob });
  await alone.close();

  const granted = new Mailbox<JobLease>();
  const holder = await cluster.worker('holder', poolA, { onLease: (lease) => granted.put(lease) });
  const { jobId } = await call(jobs, 'SubmitJob', { spec: specText() });
  const lease = await granted.take('the first lease of the job');
  const { leaseId } = lease;

  for (const thiefToken of [poolB, poolA]) {
    const told = new Mailbox<string>();
    const thief = await cluster.worker(`thief of ${thiefToken.name}`, thiefToken, {
      onLease() {},
      onCancelled: (cancelled) => told.put(cancelled),
    });
    thief.send({ shardFailure: { leaseId, jobId, code: 'SHARD_FAILED', message: 'made up', permanent: true } });
    const payloadSha256 = thief.sendPayload(new Float32Array(17).fill(666));
    const tensors = smallLayout.tensors.map(({ name, shape }) => ({ name, shape: [...shape] }));
    thief.send({
      shardResult: { leaseId, jobId, initialize: { layout: { tensors }, payloadSha256, splitDescription: 'made up' } },
    });
    assert.equal(await told.take('the answer to a result of a lease that is not its own'), leaseId);
    await thief.close();
  }
  assert.equal((await call(jobs, 'GetJob', { jobId })).state, 'JOB_STATE_RUNNING');
  assert.equal(holder.cancelled.length, 0);
  holder.answer(lease);
  await cluster.worker('helper', poolA);
  await holder.close();
  await collect(jobs.WatchJob({ jobId }));
  const job = await call(jobs, 'GetJob', { jobId });
  assert.equal(job.state, 'JOB_STATE_SUCCEEDED');
  assert.equal(job.paramsSha256, honest.paramsSha256);
  assert.equal(job.evaluations[0]?.protocol?.splitDescription, 'null split');
});

test('a connected worker id can be taken over with its own token only', async (t) => {
  const cluster = await SecuredCluster.start(t, [poolA, poolB]);
  const first = await cluster.worker('node-1', poolA);
  const impostor = await cluster.worker('node-1', poolB);
  const refusal = await impostor.ended;
  assert.equal(refusal.code, status.PERMISSION_DENIED);
  assert.match(refusal.details, /worker node-1 is connected with another token; give this one another --worker-id/);
  const again = await cluster.worker('node-1', poolA);
  assert.equal((await first.ended).metadata.get('metatrain-code')[0], 'WORKER_FENCED');
  await again.close();
  const later = await cluster.worker('node-1', poolB);
  await later.close();
  assert.equal((await later.ended).code, status.OK);
});
