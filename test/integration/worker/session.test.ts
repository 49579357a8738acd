// The worker's session over real gRPC, against a coordinator that does as the test says; programs are fakes on real compute threads.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { realClock } from '../../../shared/clock.ts';
import { silentLogger } from '../../../shared/log.ts';
import { sha256, vectorOfBytes } from '../../../shared/tensor-codec.ts';
import { maxChunkBytes } from '../../../shared/wire.ts';
import { ComputePool } from '../../../worker/compute/pool.ts';
import { Session, type SessionEnd } from '../../../worker/session.ts';
import { defaultSessionTimes, type SessionTimes } from '../../../worker/session-state.ts';
import { streamsTo } from '../../../worker/session-stream.ts';
import { Entrance } from '../../support/entrance.ts';
import { type FakeConnection, FakeCoordinator } from '../../support/fake-coordinator.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';

const threadFile = new URL('../../support/fake-thread.js', import.meta.url);
const quick: SessionTimes = { ...defaultSessionTimes, retryFirstMs: 10, retryLongestMs: 50 };

/** For a test that keeps this process, both ends of the stream, busy for longer than three heartbeats. */
const patient: SessionTimes = { ...quick, missedHeartbeats: 100 };

interface Subject {
  readonly coordinator: FakeCoordinator;
  readonly session: Session;
  readonly end: Promise<SessionEnd>;
}

/** A running session and its coordinator, both closed when the test ends. */
async function start(context: TestContext, times: SessionTimes = quick): Promise<Subject> {
  const coordinator = await FakeCoordinator.listen();
  const subject = await startSession(context, coordinator.address, times);
  context.after(() => coordinator.close());
  return { coordinator, ...subject };
}

/** A session of its own, closed when the test ends. */
async function startSession(
  context: TestContext,
  address: string,
  times: SessionTimes = quick,
): Promise<Omit<Subject, 'coordinator'>> {
  const clock = realClock;
  const pool = await ComputePool.start({ slots: 2, dataDirectories: [], threadFile }, { clock, log: silentLogger });
  const session = new Session(
    { workerId: 'worker-1', version: '0', times },
    { openStream: streamsTo(address), pool, clock, log: silentLogger, randomFraction: () => 0 },
  );
  const end = session.run();
  context.after(async () => {
    session.drain('the test is over', 0);
    await end;
    await pool.close();
  });
  return { session, end };
}

function leaseTrain(connection: FakeConnection, jobId: string, leaseId: string, paramsVersion = 0): void {
  connection.send({
    shardLease: {
      leaseId,
      jobId,
      attempt: 1,
      deadlineMs: 60_000,
      train: { paramsVersion, metaStep: 1, shard: 0, firstTask: 4, taskCount: 2 },
    },
  });
}

function openJob(connection: FakeConnection, jobId: string): void {
  connection.send({ jobOpened: { jobId, spec: sinusoidSpec(jobId), layout: { tensors: [] } } });
}

/** The shard's result and the payload that its chunks make. */
async function resultOf(connection: FakeConnection) {
  const result = await connection.next('shardResult');
  const chunks = connection.heard.flatMap(({ payloadChunk }) => payloadChunk ?? []);
  return { result, chunks, payload: Buffer.concat(chunks.map(({ data }) => data)) };
}

test('the hello identifies the worker, and a shard returns its gradient', async (context) => {
  const { coordinator } = await start(context);
  const connection = await coordinator.connection();
  const hello = await connection.welcome();
  assert.equal(hello.workerId, 'worker-1');
  assert.equal(hello.engineFingerprint, 'fake-engine');
  assert.equal(hello.slots, 2);
  openJob(connection, 'sum');
  connection.sendParams('sum', 0, Float32Array.of(1, 2, 3));
  leaseTrain(connection, 'sum', 'lease-1');
  const { result, payload } = await resultOf(connection);
  assert.equal(result.leaseId, 'lease-1');
  assert.equal(result.jobId, 'sum');
  assert.deepEqual(result.train?.measures, [{ name: 'loss', values: [4, 5] }]);
  assert.equal(result.train?.weight, 2);
  assert.deepEqual(vectorOfBytes(payload, 3), Float32Array.of(6, 8, 10));
  assert.deepEqual(result.train?.payloadSha256, sha256(payload));
  assert.ok(result.computeMs > 0);
});

test('a worker reports that it opens a program before it does, and that it computes before the result', async (context) => {
  const { coordinator } = await start(context);
  const connection = await coordinator.connection();
  await connection.welcome();
  openJob(connection, 'sum');
  const initialize = (leaseId: string) =>
    connection.send({ shardLease: { leaseId, jobId: 'sum', attempt: 1, deadlineMs: 60_000, initialize: {} } });
  initialize('first');
  await connection.next('shardResult');
  const told = connection.heard.flatMap(({ shardProgress, shardResult }) => [
    ...(shardProgress ? [`${shardProgress.leaseId} ${shardProgress.phase} ${shardProgress.reopening}`] : []),
    ...(shardResult ? [`${shardResult.leaseId} result`] : []),
  ]);
  assert.deepEqual(told, ['first starting false', 'first computing false', 'first result']);
});

test('a job is known for as long as it is open, however many were opened after it', async (context) => {
  const { coordinator } = await start(context);
  const connection = await coordinator.connection();
  await connection.welcome();
  for (let number = 0; number < 200; number += 1) openJob(connection, `job-${number}`);
  connection.send({ shardLease: { leaseId: 'old', jobId: 'job-0', attempt: 1, deadlineMs: 60_000, initialize: {} } });
  const { result } = await resultOf(connection);
  assert.equal(result.leaseId, 'old');
});

test('an initialize shard returns the layout and θ₀, an evaluate shard its rows', async (context) => {
  const { coordinator } = await start(context);
  const connection = await coordinator.connection();
  await connection.welcome();
  openJob(connection, 'sum');
  connection.send({ shardLease: { leaseId: 'init', jobId: 'sum', attempt: 1, deadlineMs: 60_000, initialize: {} } });
  const { result, payload } = await resultOf(connection);
  assert.deepEqual(result.initialize?.layout, { tensors: [{ name: 'w', shape: [3] }] });
  assert.deepEqual(vectorOfBytes(payload, 3), Float32Array.of(1, 2, 3));
  connection.sendParams('sum', 0, Float32Array.of(9, 2, 3));
  connection.send({
    shardLease: {
      leaseId: 'eval',
      jobId: 'sum',
      attempt: 1,
      deadlineMs: 60_000,
      evaluate: { paramsVersion: 0, shard: 0, split: 'test', firstTask: 5, taskCount: 1 },
    },
  });
  assert.deepEqual((await connection.next('shardResult')).evaluate?.measures, [{ name: 'loss', values: [5, 9] }]);
});

test('a payload of several chunks comes back in chunks of at most 1 MiB, with heartbeats in between', async (context) => {
  const { coordinator } = await start(context, patient);
  const connection = await coordinator.connection();
  await connection.welcome(500);
  openJob(connection, 'sum');
  const vector = Float32Array.from({ length: 6 * 1024 * 1024 + 1 }, (_, index) => index % 1000);
  connection.sendParams('sum', 0, vector);
  await connection.next('heartbeat');
  // An unread stream fills up; the worker must go on with heartbeats when there is room again, before the chunks that wait.
  connection.call.pause();
  leaseTrain(connection, 'sum', 'lease-1');
  while (connection.call.readableLength === 0) await setImmediate();
  connection.call.resume();
  const { result, chunks, payload } = await resultOf(connection);
  assert.equal(chunks.length, 25);
  assert.ok(chunks.every(({ data }) => data.byteLength <= maxChunkBytes));
  assert.deepEqual(result.train?.payloadSha256, sha256(payload));
  assert.deepEqual(
    vectorOfBytes(payload, vector.length),
    vector.map((value) => value * 2 + 4),
  );
  await connection.next('heartbeat');
});

test('heartbeats are answered while every slot computes', async (context) => {
  const { coordinator } = await start(context);
  const connection = await coordinator.connection();
  await connection.welcome(200);
  openJob(connection, 'spin');
  connection.sendParams('spin', 0, Float32Array.of(1));
  leaseTrain(connection, 'spin', 'lease-1');
  leaseTrain(connection, 'spin', 'lease-2');
  for (let sequence = 1; sequence <= 4; sequence += 1) {
    assert.equal((await connection.next('heartbeat')).sequence, sequence);
  }
  assert.ok(!connection.heard.some(({ shardResult }) => shardResult), 'the shards still compute');
  connection.send({ jobClosed: { jobId: 'spin' } });
});

test('a worker whose coordinator dies connects again, without the parameters of the old stream', async (context) => {
  const { coordinator } = await start(context);
  const before = await coordinator.connection();
  await before.welcome();
  openJob(before, 'hold');
  before.sendParams('hold', 0, Float32Array.of(1));
  leaseTrain(before, 'hold', 'lost');
  await before.next('heartbeat');
  coordinator.close();
  const next = await FakeCoordinator.listen(coordinator.port);
  context.after(() => next.close());
  const after = await next.connection();
  assert.equal((await after.welcome()).workerId, 'worker-1');
  openJob(after, 'sum');
  leaseTrain(after, 'sum', 'stale');
  assert.equal((await after.next('shardFailure')).code, 'META_STEP_STALE', 'parameters went with their stream');
  after.sendParams('sum', 0, Float32Array.of(1));
  leaseTrain(after, 'sum', 'lease-1');
  assert.equal((await after.next('shardResult')).leaseId, 'lease-1');
});

test('a result computed before the stream was lost is offered, and answers a new lease of its work', async (context) => {
  const { coordinator } = await start(context);
  const before = await coordinator.connection();
  await before.welcome();
  openJob(before, 'sum');
  before.sendParams('sum', 0, Float32Array.of(1, 2, 3));
  leaseTrain(before, 'sum', 'lease-1');
  const first = await resultOf(before);
  assert.equal(first.result.presentedAgain, false);
  coordinator.close();
  const next = await FakeCoordinator.listen(coordinator.port);
  context.after(() => next.close());
  const after = await next.connection();
  await after.welcome();
  const { results } = await after.next('resultsHeld');
  assert.deepEqual(results, [{ jobId: 'sum', work: 'train', paramsVersion: 0, shard: 0 }]);
  openJob(after, 'sum');
  after.sendParams('sum', 0, Float32Array.of(1, 2, 3));
  leaseTrain(after, 'sum', 'lease-2');
  const again = await resultOf(after);
  assert.equal(again.result.leaseId, 'lease-2');
  assert.equal(again.result.presentedAgain, true);
  assert.deepEqual(again.payload, first.payload);
  // The same version with other bytes is other work.
  after.sendParams('sum', 0, Float32Array.of(7, 2, 3));
  leaseTrain(after, 'sum', 'lease-3');
  assert.equal((await after.next('shardResult')).presentedAgain, false);
});

test('a worker whose heartbeats are not answered opens a new connection', async (context) => {
  const { coordinator } = await start(context);
  const silent = await coordinator.connection();
  silent.answersHeartbeats = false;
  await silent.welcome(50);
  const next = await coordinator.connection();
  await next.welcome();
  await silent.ended;
});

/** Each announces version 0 of the job's parameters, which cannot be taken. */
const wrongParams: Record<string, (connection: FakeConnection) => RegExp> = {
  'with a wrong hash'(connection) {
    const payloadSha256 = sha256(Buffer.from('other'));
    connection.send({ payloadChunk: { payloadSha256, payloadBytes: 12, offset: 0, data: Buffer.alloc(12) } });
    connection.send({ paramsAnnounced: { jobId: 'wrong', paramsVersion: 0, payloadSha256 } });
    return /payload_sha256: got [0-9a-f]{64}; accepted: [0-9a-f]{64}, the hash of the bytes/;
  },
  'that do not fit the layout'(connection) {
    connection.sendParams('wrong', 0, new Float32Array(5));
    return /got 20 bytes; accepted: 24 bytes/;
  },
  'that were never sent'(connection) {
    connection.send({ paramsAnnounced: { jobId: 'wrong', paramsVersion: 0, payloadSha256: Buffer.alloc(32) } });
    return /got a payload that was not sent/;
  },
  'beyond the largest payload'(connection) {
    const payloadSha256 = Buffer.alloc(32, 7);
    const [payloadBytes, data] = [2 ** 31, Buffer.alloc(4)];
    for (const offset of [0, 4, 8]) connection.send({ payloadChunk: { payloadSha256, payloadBytes, offset, data } });
    connection.send({ paramsAnnounced: { jobId: 'wrong', paramsVersion: 0, payloadSha256 } });
    return /payload_bytes: got 2147483648; accepted: at most 1073741824/;
  },
};

for (const [what, announce] of Object.entries(wrongParams)) {
  test(`parameters ${what} fail their job's shards alone: the stream and the other jobs go on`, async (context) => {
    const { coordinator } = await start(context);
    const connection = await coordinator.connection();
    await connection.welcome();
    const layout = { tensors: [{ name: 'w', shape: [2, 3] }] };
    connection.send({ jobOpened: { jobId: 'wrong', spec: sinusoidSpec('sum'), layout } });
    openJob(connection, 'sum');
    const reason = announce(connection);
    connection.sendParams('sum', 0, Float32Array.of(1));
    leaseTrain(connection, 'wrong', 'lease-1');
    const { leaseId, jobId, message, permanent } = await connection.next('shardFailure');
    assert.deepEqual([leaseId, jobId, permanent], ['lease-1', 'wrong', false]);
    assert.match(message, reason);
    leaseTrain(connection, 'sum', 'lease-2');
    assert.equal((await connection.next('shardResult')).leaseId, 'lease-2');
    connection.sendParams('wrong', 1, new Float32Array(6));
    leaseTrain(connection, 'wrong', 'lease-3', 1);
    assert.equal((await connection.next('shardResult')).leaseId, 'lease-3', 'the next version may be taken');
  });
}

test('a lease without work is refused', async (context) => {
  const { coordinator } = await start(context);
  const connection = await coordinator.connection();
  await connection.welcome();
  connection.send({ shardLease: { leaseId: 'empty', jobId: 'sum' } });
  await (await coordinator.connection()).welcome();
});

test('the result of a cancelled lease is not sent', async (context) => {
  const { coordinator } = await start(context);
  const connection = await coordinator.connection();
  await connection.welcome();
  openJob(connection, 'hold');
  openJob(connection, 'sum');
  connection.sendParams('hold', 0, Float32Array.of(1));
  connection.sendParams('sum', 0, Float32Array.of(1));
  leaseTrain(connection, 'hold', 'cancelled');
  leaseTrain(connection, 'hold', 'closed');
  connection.send({ leaseCancelled: { leaseId: 'cancelled', reason: 'the test says so' } });
  connection.send({ jobClosed: { jobId: 'hold' } });
  leaseTrain(connection, 'sum', 'lease-1');
  await connection.next('heartbeat');
  assert.ok(connection.heard.every(({ shardResult }) => !shardResult || shardResult.leaseId === 'lease-1'));
});

test('a failed shard returns its code and whether the failure is permanent', async (context) => {
  const { coordinator } = await start(context);
  const connection = await coordinator.connection();
  await connection.welcome();
  for (const [jobId, code, permanent] of [
    ['request-invalid', 'REQUEST_INVALID', true],
    ['data-missing', 'DATA_SET_MISSING', false],
    ['crash', 'INTERNAL', false],
  ] as const) {
    openJob(connection, jobId);
    connection.sendParams(jobId, 0, Float32Array.of(1));
    leaseTrain(connection, jobId, `lease-${jobId}`);
    const failure = await connection.next('shardFailure');
    assert.deepEqual(
      [failure.leaseId, failure.jobId, failure.code, failure.permanent],
      [`lease-${jobId}`, jobId, code, permanent],
    );
    assert.notEqual(failure.message, '');
  }
});

for (const [code, named] of [
  [status.FAILED_PRECONDITION, 'WORKER_FENCED'],
  [status.UNAUTHENTICATED, 'UNAUTHENTICATED'],
] as const) {
  test(`the coordinator's ${named} ends the session with exit code 1`, async (context) => {
    const { coordinator, end } = await start(context);
    const connection = await coordinator.connection();
    connection.refuse(code, 'you shall not pass', named);
    assert.deepEqual(await end, { exitCode: 1, message: 'refused by the coordinator: you shall not pass' });
  });
}

test('a worker tries again while a proxy answers 401, 403 and 404, and then serves', async (context) => {
  const coordinator = await FakeCoordinator.listen();
  context.after(() => coordinator.close());
  const entrance = await Entrance.listen(context, coordinator.address);
  for (const httpStatus of [401, 403, 404]) entrance.refuseNext(httpStatus);
  const { end, session } = await startSession(context, entrance.address);
  const connection = await coordinator.connection();
  await connection.welcome();
  await connection.next('heartbeat');
  session.drain('the test is over', 0);
  assert.deepEqual(await end, { exitCode: 0, message: 'left' });
  assert.deepEqual(entrance.refused, [401, 403, 404]);
});

test('an unreachable coordinator ends the session after --give-up-seconds', async (context) => {
  const { coordinator, end } = await start(context, { ...quick, giveUpMs: 200 });
  coordinator.close();
  const { exitCode, message } = await end;
  assert.equal(exitCode, 1);
  assert.match(message, /no coordinator for/);
});

test("the coordinator's drain is obeyed: the shard in hand is finished, then the worker leaves with exit code 0", async (context) => {
  const { coordinator, end } = await start(context);
  const connection = await coordinator.connection();
  await connection.welcome();
  openJob(connection, 'sum');
  connection.sendParams('sum', 0, Float32Array.of(1));
  leaseTrain(connection, 'sum', 'lease-1');
  connection.send({ drain: { reason: 'scaling down', graceMs: 10_000 } });
  assert.match((await connection.next('drain')).reason, /scaling down/);
  assert.deepEqual(await end, { exitCode: 0, message: 'left' });
  assert.ok(connection.heard.some(({ shardResult }) => shardResult?.leaseId === 'lease-1'));
});
