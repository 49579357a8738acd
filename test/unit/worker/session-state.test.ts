// The connection's state machine on virtual time, without a network.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { protocolVersion } from '../../../shared/wire.ts';
import {
  defaultSessionTimes,
  type Lease,
  type SessionEvent,
  type SessionOrder,
  SessionState,
} from '../../../worker/session-state.ts';

const heartbeatIntervalMs = 1000;
const unreachable = { code: 'UNAVAILABLE', message: 'connection refused', isFromCoordinator: false };
const lease = (leaseId: string, workKey = leaseId): Lease => ({
  leaseId,
  jobId: 'job',
  work: { kind: 'initialize' },
  shard: 0,
  workKey,
  traceparent: '',
});
const ended = (end = unreachable, jitter = 0): SessionEvent => ({ kind: 'streamEnded', end, jitter });
const welcome = (version = protocolVersion): SessionEvent => ({
  kind: 'welcomed',
  protocolVersion: version,
  heartbeatIntervalMs,
});
const replied = (sequence: number): SessionEvent => ({ kind: 'heartbeatReplied', sequence });
const drain = (graceMs = 5000): SessionEvent => ({ kind: 'drainRequested', reason: 'SIGTERM', graceMs });

/** A session whose clock the test turns. */
class Subject {
  readonly state = new SessionState(defaultSessionTimes);
  now = 1_000_000;

  step(event: SessionEvent): SessionOrder[] {
    return this.state.step(event, this.now);
  }

  after(elapsedMs: number, event: SessionEvent = { kind: 'ticked' }): SessionOrder[] {
    this.now += elapsedMs;
    return this.step(event);
  }

  static serving(...leases: string[]): Subject {
    const subject = new Subject();
    subject.step({ kind: 'started' });
    subject.step(welcome());
    for (const leaseId of leases) subject.step({ kind: 'leased', lease: lease(leaseId) });
    return subject;
  }
}

test('the session connects at once and reports only its first welcome as the first', () => {
  const subject = new Subject();
  assert.deepEqual(subject.step({ kind: 'started' }), [{ kind: 'connect' }]);
  assert.deepEqual(subject.step(welcome()), [{ kind: 'reportWelcome', isFirst: true }]);
  subject.step(ended());
  assert.deepEqual(subject.after(100), [{ kind: 'connect' }]);
  assert.deepEqual(subject.step(welcome()), [{ kind: 'reportWelcome', isFirst: false }]);
});

test('a coordinator that does not welcome within ten seconds is left', () => {
  const subject = new Subject();
  subject.step({ kind: 'started' });
  assert.deepEqual(subject.after(9_999), []);
  assert.equal(subject.after(1)[0]?.kind, 'abandonStream');
});

test('back-off doubles up to its limit, and jitter takes up to half of it off', () => {
  const subject = new Subject();
  subject.step({ kind: 'started' });
  const delays = [0, 0, 0, 1, 0, 0, 0, 0].map((jitter) => {
    const [order] = subject.step(ended(unreachable, jitter));
    assert.ok(order?.kind === 'reportRetry');
    assert.deepEqual(subject.after(order.delayMs - 1), []);
    assert.deepEqual(subject.after(1), [{ kind: 'connect' }]);
    return order.delayMs;
  });
  assert.deepEqual(delays, [100, 200, 400, 400, 1600, 3200, 5000, 5000]);
});

test('only an answered heartbeat, not a mere welcome, makes the back-off short again', () => {
  const subject = Subject.serving();
  const retryMs = () => {
    const [order] = subject.step(ended());
    assert.ok(order?.kind === 'reportRetry');
    subject.after(order.delayMs);
    subject.step(welcome());
    return order.delayMs;
  };
  assert.deepEqual([retryMs(), retryMs(), retryMs()], [100, 200, 400]);
  subject.step(replied(1));
  assert.equal(retryMs(), 100);
});

test('a worker without a coordinator for ten minutes gives up with exit code 1', () => {
  const subject = Subject.serving();
  subject.now += 3_600_000;
  subject.step({ kind: 'heard' });
  assert.equal(subject.step(ended())[0]?.kind, 'reportRetry');
  const [order] = subject.after(600_000, ended());
  assert.ok(order?.kind === 'exit');
  assert.equal(order.exitCode, 1);
  assert.match(order.message, /no coordinator for 600 s; the last answer: connection refused/);
});

for (const code of ['INVALID_ARGUMENT', 'FAILED_PRECONDITION', 'UNAUTHENTICATED', 'PERMISSION_DENIED']) {
  test(`the coordinator's own ${code} ends the worker with exit code 1 instead of a retry`, () => {
    const subject = new Subject();
    subject.step({ kind: 'started' });
    const orders = subject.step(ended({ code, message: 'no', isFromCoordinator: true }));
    assert.deepEqual(orders, [{ kind: 'exit', exitCode: 1, message: 'refused by the coordinator: no' }]);
    assert.equal(subject.state.phase, 'ended');
  });

  test(`a ${code} that is not the coordinator's own is tried again`, () => {
    const subject = new Subject();
    subject.step({ kind: 'started' });
    const [order] = subject.step(ended({ code, message: 'no', isFromCoordinator: false }));
    assert.equal(order?.kind, 'reportRetry');
    assert.equal(subject.state.phase, 'waiting');
  });
}

test('a coordinator of another protocol version is left for good', () => {
  const subject = new Subject();
  subject.step({ kind: 'started' });
  const [order] = subject.step(welcome(99));
  assert.ok(order?.kind === 'abandonStream');
  assert.match(order.end.message, /protocol version 99; this worker speaks 1/);
  assert.equal(subject.step(ended(order.end))[0]?.kind, 'exit');
});

test('heartbeats go out once an interval, numbered from 1', () => {
  const subject = Subject.serving();
  assert.deepEqual(subject.after(999), []);
  assert.deepEqual(subject.after(1), [{ kind: 'sendHeartbeat', sequence: 1 }]);
  assert.deepEqual(subject.after(500), []);
  subject.step({ kind: 'heard' });
  assert.deepEqual(subject.after(500), [{ kind: 'sendHeartbeat', sequence: 2 }]);
});

test('a coordinator silent for more than three heartbeats is left, and any message counts as a sound', () => {
  const subject = Subject.serving();
  subject.after(3000);
  assert.equal(subject.after(1)[0]?.kind, 'abandonStream');

  const talking = Subject.serving();
  for (let second = 0; second < 10; second += 1) {
    talking.step({ kind: 'heard' });
    assert.equal(talking.after(1000)[0]?.kind, 'sendHeartbeat');
  }
});

test('an outcome is sent once, and never after its lease was cancelled', () => {
  const subject = Subject.serving('a', 'b');
  assert.deepEqual(subject.step({ kind: 'shardEnded', leaseId: 'a' }), [{ kind: 'sendOutcome', leaseId: 'a' }]);
  assert.deepEqual(subject.step({ kind: 'shardEnded', leaseId: 'a' }), []);
  assert.deepEqual(subject.step({ kind: 'leaseCancelled', leaseId: 'b' }), [{ kind: 'cancelShard', leaseId: 'b' }]);
  assert.deepEqual(subject.step({ kind: 'shardEnded', leaseId: 'b' }), []);
  assert.deepEqual(subject.step({ kind: 'leaseCancelled', leaseId: 'unknown' }), []);
});

test('a shard whose stream is lost is computed on, and the same work leased again takes it over', () => {
  const subject = Subject.serving('a', 'b');
  assert.equal(subject.step(ended())[0]?.kind, 'reportRetry');
  assert.equal(subject.state.leases.size, 0);
  subject.after(100);
  subject.step(welcome());
  assert.deepEqual(subject.step({ kind: 'leased', lease: lease('a2', 'a') }), [], 'nothing is begun anew');
  assert.deepEqual(subject.step({ kind: 'shardEnded', leaseId: 'a' }), [{ kind: 'sendOutcome', leaseId: 'a2' }]);
  assert.deepEqual(subject.step({ kind: 'shardEnded', leaseId: 'b' }), [], 'nobody has leased it again');
  const again = lease('b2', 'b');
  assert.deepEqual(subject.step({ kind: 'leased', lease: again }), [{ kind: 'runShard', lease: again }]);
});

test('cancelling a lease that took a shard over cancels the computation', () => {
  const subject = Subject.serving('a');
  subject.step(ended());
  subject.after(100);
  subject.step(welcome());
  subject.step({ kind: 'leased', lease: lease('a2', 'a') });
  assert.deepEqual(subject.step({ kind: 'leaseCancelled', leaseId: 'a2' }), [{ kind: 'cancelShard', leaseId: 'a' }]);
  assert.deepEqual(subject.step({ kind: 'shardEnded', leaseId: 'a' }), []);
});

test('a job that is closed takes its shards along, those of a lost stream too', () => {
  const subject = Subject.serving('a');
  subject.step(ended());
  subject.after(100);
  subject.step(welcome());
  subject.step({ kind: 'leased', lease: lease('b') });
  assert.deepEqual(subject.step({ kind: 'jobClosed', jobId: 'job' }), [
    { kind: 'cancelShard', leaseId: 'b' },
    { kind: 'cancelShard', leaseId: 'a' },
  ]);
});

test('a drain is told to the coordinator, finishes the shards in hand, then ends the stream and exits 0', () => {
  const subject = Subject.serving('a', 'b');
  assert.deepEqual(subject.step(drain()), [
    { kind: 'sendDrain', reason: 'SIGTERM', graceMs: 5000 },
    { kind: 'sendHeartbeat', sequence: 1 },
  ]);
  assert.deepEqual(subject.step(drain()), [], 'asked twice is asked once');
  assert.deepEqual(subject.step({ kind: 'shardEnded', leaseId: 'a' }), [{ kind: 'sendOutcome', leaseId: 'a' }]);
  assert.deepEqual(subject.step(replied(1)), []);
  assert.deepEqual(subject.after(1000), [{ kind: 'sendHeartbeat', sequence: 2 }], 'heartbeats go on');
  assert.deepEqual(subject.step({ kind: 'shardEnded', leaseId: 'b' }), [
    { kind: 'sendOutcome', leaseId: 'b' },
    { kind: 'finishStream' },
  ]);
  assert.deepEqual(subject.step(ended({ code: 'OK', message: '', isFromCoordinator: false })), [
    { kind: 'exit', exitCode: 0, message: 'left' },
  ]);
});

test('a lease that crossed the drain on the way is computed too', () => {
  const subject = Subject.serving('a');
  subject.step(drain());
  assert.equal(subject.step({ kind: 'leased', lease: lease('late') })[0]?.kind, 'runShard');
  subject.step({ kind: 'shardEnded', leaseId: 'a' });
  assert.equal(subject.state.phase, 'draining');
});

test('a drain with nothing in hand waits for a lease that may be on its way, until the coordinator has replied', () => {
  const subject = Subject.serving();
  assert.deepEqual(
    subject.step(drain()).map(({ kind }) => kind),
    ['sendDrain', 'sendHeartbeat'],
  );
  assert.equal(subject.step({ kind: 'leased', lease: lease('late') })[0]?.kind, 'runShard');
  assert.deepEqual(subject.step(replied(1)), []);
  assert.deepEqual(
    subject.step({ kind: 'shardEnded', leaseId: 'late' }).map(({ kind }) => kind),
    ['sendOutcome', 'finishStream'],
  );
  const other = Subject.serving();
  other.step(drain());
  assert.deepEqual(other.step(replied(0)), [], 'of a heartbeat before the drain');
  assert.deepEqual(other.step(replied(1)), [{ kind: 'finishStream' }]);
});

test('a reply that does not come is not waited for', () => {
  const subject = Subject.serving();
  subject.step(drain());
  subject.step({ kind: 'heard' });
  assert.deepEqual(subject.after(1999).at(-1), { kind: 'sendHeartbeat', sequence: 2 });
  assert.deepEqual(subject.after(1).at(-1), { kind: 'finishStream' });
});

test('a drain gives back what is not finished when the grace period ends', () => {
  const subject = Subject.serving('slow');
  subject.step(drain(2000));
  subject.step({ kind: 'heard' });
  assert.equal(subject.after(1999)[0]?.kind, 'sendHeartbeat');
  const [order] = subject.after(1);
  assert.ok(order?.kind === 'exit');
  assert.equal(order.exitCode, 0);
  assert.match(order.message, /shards given back: 1/);
});

test('a coordinator that does not close the stream of a leaving worker is not waited for', () => {
  const subject = Subject.serving();
  subject.step(drain());
  subject.step(replied(1));
  assert.deepEqual(subject.after(1999), []);
  assert.equal(subject.after(1)[0]?.kind, 'exit');
});

test('a drain without a connection ends the worker at once with exit code 0', () => {
  const subject = new Subject();
  subject.step({ kind: 'started' });
  const [order] = subject.step(drain());
  assert.ok(order?.kind === 'exit');
  assert.equal(order.exitCode, 0);
});

test('a worker that cannot compute any more exits 1 and then says nothing', () => {
  const subject = Subject.serving('a');
  assert.deepEqual(subject.step({ kind: 'computeFailed', message: 'dead' }), [
    { kind: 'exit', exitCode: 1, message: 'dead' },
  ]);
  assert.deepEqual(subject.after(60_000), []);
  assert.deepEqual(subject.step({ kind: 'shardEnded', leaseId: 'a' }), []);
});

test('a shard that is being started is told of under its lease, and again under the lease that takes it over', () => {
  const subject = Subject.serving('a');
  const isReopening = false;
  const changed = (isStarting: boolean) =>
    subject.step({ kind: 'startingChanged', leaseId: 'a', isStarting, isReopening });
  assert.deepEqual(changed(true), [{ kind: 'sendProgress', leaseId: 'a', isStarting: true, isReopening }]);
  subject.step(ended());
  subject.after(100);
  subject.step(welcome());
  const again = subject.step({ kind: 'leased', lease: lease('b', 'a') });
  assert.deepEqual(again, [{ kind: 'sendProgress', leaseId: 'b', isStarting: true, isReopening }]);
  assert.deepEqual(changed(false), [{ kind: 'sendProgress', leaseId: 'b', isStarting: false, isReopening }]);
  subject.step(ended());
  assert.deepEqual(changed(true), [], 'nobody is there to be told');
});
