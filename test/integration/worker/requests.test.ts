// Requests on the worker's stream: leases without a job, against a coordinator that does as the test says;
// learners are fakes on real compute threads.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { realClock } from '../../../shared/clock.ts';
import type { AdaptWork } from '../../../shared/gen/metatrain/v1/AdaptWork.ts';
import type { PredictWork } from '../../../shared/gen/metatrain/v1/PredictWork.ts';
import { silentLogger } from '../../../shared/log.ts';
import { bytesOfVector, chunksOf, sha256, vectorOfBytes } from '../../../shared/tensor-codec.ts';
import { ComputePool } from '../../../worker/compute/pool.ts';
import { Session } from '../../../worker/session.ts';
import { defaultSessionTimes } from '../../../worker/session-state.ts';
import { streamsTo } from '../../../worker/session-stream.ts';
import { type FakeConnection, FakeCoordinator } from '../../support/fake-coordinator.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';

const threadFile = new URL('../../support/fake-thread.js', import.meta.url);

/** A running session, welcomed; all closed when the test ends. */
async function connect(context: TestContext): Promise<{ coordinator: FakeCoordinator; connection: FakeConnection }> {
  const coordinator = await FakeCoordinator.listen();
  const clock = realClock;
  const pool = await ComputePool.start({ slots: 1, dataDirectories: [], threadFile }, { clock, log: silentLogger });
  const times = { ...defaultSessionTimes, retryFirstMs: 10, retryLongestMs: 50 };
  const session = new Session(
    { workerId: 'worker-1', version: '0', times },
    { openStream: streamsTo(coordinator.address), pool, clock, log: silentLogger, randomFraction: () => 0 },
  );
  const end = session.run();
  context.after(async () => {
    session.drain('the test is over', 0);
    await end;
    await pool.close();
    coordinator.close();
  });
  const connection = await coordinator.connection();
  await connection.welcome();
  return { coordinator, connection };
}

function sendPayload(connection: FakeConnection, ...values: number[]): Buffer {
  const bytes = bytesOfVector(Float32Array.from(values));
  for (const payloadChunk of chunksOf(bytes)) connection.send({ payloadChunk });
  return sha256(bytes);
}

function openLearner(connection: FakeConnection, name: string): void {
  const paramsSha256 = sendPayload(connection, 1, 2, 3);
  connection.send({ learnerOpened: { learnerId: name, spec: sinusoidSpec(name), paramsSha256 } });
}

function lease(
  connection: FakeConnection,
  requestId: string,
  work: { readonly adapt: AdaptWork } | { readonly predict: PredictWork },
): void {
  connection.send({ shardLease: { leaseId: `lease of ${requestId}`, requestId, deadlineMs: 60_000, ...work } });
}

function adaptWork(connection: FakeConnection, learnerId: string): { readonly adapt: AdaptWork } {
  const tensors = ['supportInputs', 'supportTargets'].map((name) => ({ name, shape: [2, 1] }));
  const payloadSha256 = sendPayload(connection, 10, 20, 30, 40);
  return { adapt: { learnerId, point: 1, support: { layout: { tensors }, payloadSha256 } } };
}

const payloadOf = ({ heard }: FakeConnection, name: Buffer): Buffer =>
  Buffer.concat(
    heard.flatMap(({ payloadChunk }) => (payloadChunk?.payloadSha256.equals(name) ? [payloadChunk.data] : [])),
  );

test('a request adapts and another predicts, without any job', async (context) => {
  const { connection } = await connect(context);
  openLearner(connection, 'learner');
  lease(connection, 'r1', adaptWork(connection, 'learner'));
  const { leaseId, requestId, owner, adapt } = await connection.next('shardResult');
  assert.deepEqual([leaseId, requestId, owner], ['lease of r1', 'r1', 'requestId']);
  const { layout, payloadSha256 } = adapt!.state!;
  assert.deepEqual(layout, { tensors: [{ name: 'w', shape: [3] }] });
  assert.deepEqual(vectorOfBytes(payloadOf(connection, payloadSha256), 3), Float32Array.of(11, 12, 13));

  const state = { layout: layout!, payloadSha256: sendPayload(connection, 11, 12, 13) };
  const inputsSha256 = sendPayload(connection, 1, 3);
  lease(connection, 'r2', { predict: { learnerId: 'learner', state, inputsSha256 } });
  const { predict, data } = await connection.next('shardResult');
  assert.deepEqual([predict!.shape, data], [[2, 1], []]);
  assert.deepEqual(vectorOfBytes(payloadOf(connection, predict!.payloadSha256), 2), Float32Array.of(11, 33));
});

test('what a request lacks fails that request alone, and other workers may do better', async (context) => {
  const { connection } = await connect(context);
  openLearner(connection, 'learner');
  const support = { layout: { tensors: [{ name: 'supportInputs', shape: [2] }] }, payloadSha256: Buffer.alloc(32, 7) };
  lease(connection, 'no payload', { adapt: { learnerId: 'learner', support } });
  lease(connection, 'wrong length', {
    adapt: { learnerId: 'learner', support: { ...support, payloadSha256: sendPayload(connection, 1) } },
  });
  lease(connection, 'no learner', adaptWork(connection, 'unknown'));
  for (const [of, said] of [
    ['no payload', /got a payload that was not sent/],
    ['wrong length', /payload: got 4 bytes; accepted: 8/],
    ['no learner', /unknown is not open on this worker/],
  ] as const) {
    const { requestId, message, permanent } = await connection.next('shardFailure');
    assert.deepEqual([requestId, permanent], [of, false]);
    assert.match(message, said);
  }
  lease(connection, 'good', adaptWork(connection, 'learner'));
  assert.equal((await connection.next('shardResult')).requestId, 'good');
});

test('a request that no worker can serve fails for good, with the reason', async (context) => {
  const { connection } = await connect(context);
  openLearner(connection, 'request-invalid');
  lease(connection, 'r', adaptWork(connection, 'request-invalid'));
  const { code, permanent } = await connection.next('shardFailure');
  assert.deepEqual([code, permanent], ['REQUEST_INVALID', true]);
});

test('a closed learner ends its requests without an answer; opened again, it serves', async (context) => {
  const { connection } = await connect(context);
  openLearner(connection, 'spin');
  lease(connection, 'dropped', adaptWork(connection, 'spin'));
  connection.send({ learnerClosed: { learnerId: 'spin' } });
  openLearner(connection, 'learner');
  lease(connection, 'served', adaptWork(connection, 'learner'));
  assert.equal((await connection.next('shardResult')).requestId, 'served');
  assert.ok(!connection.heard.some(({ shardResult }) => shardResult?.requestId === 'dropped'));
});

test("after a new stream a request's result is not offered, and θ must come again", async (context) => {
  const { coordinator, connection } = await connect(context);
  openLearner(connection, 'learner');
  lease(connection, 'r1', adaptWork(connection, 'learner'));
  await connection.next('shardResult');
  connection.call.end();
  const again = await coordinator.connection();
  await again.welcome();
  lease(again, 'r2', adaptWork(again, 'learner'));
  assert.equal((await again.next('shardFailure')).code, 'META_STEP_STALE');
  openLearner(again, 'learner');
  lease(again, 'r3', adaptWork(again, 'learner'));
  assert.equal((await again.next('shardResult')).requestId, 'r3');
  assert.ok(!again.heard.some(({ resultsHeld }) => resultsHeld));
});
