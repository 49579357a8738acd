// Leases in the core: deadlines, results, failures, lost workers, the slow tail. Time passes only
// by the events' own.
import assert from 'node:assert/strict';
import test from 'node:test';
import { idleReason } from '../../../../coordinator/core/placement.ts';
import { type Lease, leaseOf } from '../../../../coordinator/core/state.ts';
import { Core, type EffectOf, of, only, type SeenEffect } from './harness.ts';

test('the first deadline is long; later ones are eight times the measured time, within floor and ceiling', () => {
  const core = new Core({ leaseFloorMs: 100, leaseCeilingMs: 5_000, leaseFirstMs: 3_000 });
  core.submit({ iterations: 100, batchSize: 1, shardSize: 1 });
  let effects = core.connect('w');
  const deadlines: number[] = [];
  for (const elapsedMs of [0, 50, 50, 100, 5, 5_000]) {
    const sent = only(effects, 'sendLease');
    assert.equal(sent.lease.deadlineAt, core.now + sent.deadlineMs);
    deadlines.push(sent.deadlineMs);
    core.result(sent, elapsedMs);
    effects = core.reduced();
  }
  deadlines.push(only(effects, 'sendLease').deadlineMs);
  // Means of the training shards' times, the newest a fifth: 50, 50, 60, 49, 1039.2.
  assert.deepEqual(deadlines, [3_000, 3_000, 400, 400, 480, 392, 5_000]);
});

/** The worker says whether the lease's shard is being started. */
function progress(core: Core, { lease }: EffectOf<'sendLease'>, isStarting: boolean): void {
  const { leaseId, worker } = lease;
  core.tell({ kind: 'shardProgressed', ...core.from(worker.workerId), leaseId, isStarting, isReopening: false });
}

test('compiling for longer than the first lease keeps the lease and does not count in the shard’s time', () => {
  const core = new Core({ leaseFirstMs: 10_000, leaseFloorMs: 1 });
  core.submit({ batchSize: 1, shardSize: 1 });
  const [sent] = of(core.initialize(core.connect('w')), 'sendLease');
  assert.ok(sent);
  core.tick(1_000);
  progress(core, sent, true);
  assert.deepEqual(core.tick(1_000, 600), [], 'ten minutes of compiling');
  progress(core, sent, false);
  core.tick(1_000, 3);
  assert.equal(of(core.result(sent), 'keepResult').length, 1);
  assert.equal(sent.lease.job.shardMs.train, 4_000);
});

test('after each compilation a shard has the rest of its deadline', () => {
  const core = new Core({ leaseFirstMs: 10_000, leaseFloorMs: 1 });
  core.submit();
  const sent = only(core.connect('w'), 'sendLease');
  for (let round = 0; round < 3; round += 1) {
    core.tick(1_000, 3);
    progress(core, sent, true);
    core.tick(1_000, 60);
    progress(core, sent, false);
  }
  assert.equal(of(core.tick(1_000), 'cancelLease').length, 1);
});

test('a shard that starts for longer than half an hour in all loses its lease', () => {
  const core = new Core({ leaseFirstMs: 10_000, leaseFloorMs: 1 });
  core.submit();
  const sent = only(core.connect('w'), 'sendLease');
  progress(core, sent, true);
  core.tick(1_000, 1_000);
  progress(core, sent, false);
  progress(core, sent, true);
  progress(core, sent, true);
  assert.deepEqual(core.tick(1_000, 809), []);
  assert.equal(of(core.tick(1_000), 'cancelLease').length, 1);
});

test('a pause of the coordinator while a program compiles does not count against the lease', () => {
  const core = new Core({ heartbeatIntervalMs: 1_000, leaseFirstMs: 10_000, leaseFloorMs: 1 });
  core.submit();
  const sent = only(core.connect('w'), 'sendLease');
  core.tick(100);
  progress(core, sent, true);
  core.tick(3_600_000);
  progress(core, sent, false);
  assert.deepEqual(core.tick(1_000, 9), []);
  assert.equal(of(core.tick(1_000), 'cancelLease').length, 1);
});

test('every failure doubles the shard’s next deadline', () => {
  const core = new Core({ leaseFirstMs: 1_000, leaseFloorMs: 1 });
  core.submit();
  let effects = core.connect('w');
  const deadlines: number[] = [];
  for (let attempt = 1; attempt <= 4; attempt += 1) {
    const sent = only(effects, 'sendLease');
    assert.equal(sent.lease.attempt, attempt);
    deadlines.push(sent.deadlineMs);
    effects = core.fail(sent, 'no');
  }
  assert.deepEqual(deadlines, [1_000, 2_000, 4_000, 8_000]);
});

test('a lease that outlives its deadline is cancelled, and its shard goes to another worker', () => {
  const core = new Core({ leaseFirstMs: 10_000, leaseFloorMs: 1 });
  core.submit();
  const first = only(core.connect('slow'), 'sendLease');
  core.connect('other');
  assert.deepEqual(core.tick(1_000, 9), []);
  const effects = core.tick(1_000);
  assert.equal(only(effects, 'cancelLease').lease, first.lease);
  assert.match(only(effects, 'reportRetry').reason, /no result within the lease's 10000 ms/);
  const second = only(effects, 'sendLease');
  assert.equal(second.lease.worker.workerId, 'other');
  const late = core.result(first);
  assert.match(only(late, 'dropResult').reason, /no result within the lease's 10000 ms/);
  assert.equal(of(core.result(second), 'keepResult').length, 1, 'the shard counts once');
});

test('a worker that misses three heartbeats loses its lease, and its later result is dropped', () => {
  const core = new Core({ heartbeatIntervalMs: 100 });
  core.submit();
  const sent = only(core.connect('w'), 'sendLease');
  for (let beat = 0; beat < 3; beat += 1) {
    core.now += 100;
    assert.deepEqual(core.tell({ kind: 'tick' }), [], `${beat + 1} missed`);
  }
  core.now += 1;
  const effects = core.tell({ kind: 'tick' });
  assert.equal(only(effects, 'disconnectWorker').code, 'DEADLINE_EXCEEDED');
  assert.match(only(effects, 'reportRetry').reason, /no heartbeat from worker w for 301 ms/);
  assert.equal(of(core.result(sent), 'dropResult').length, 1);
});

test('after a pause of the coordinator no worker counts as lost', () => {
  const core = new Core({ heartbeatIntervalMs: 100, leaseFirstMs: 1_000 });
  core.submit();
  const sent = only(core.connect('w'), 'sendLease');
  core.tick(100);
  core.now += 60_000;
  assert.deepEqual(core.tell({ kind: 'tick' }), []);
  assert.equal(of(core.result(sent), 'keepResult').length, 1);
});

test('a shard that fails on three workers fails the job, with the message of each', () => {
  const core = new Core();
  core.submit();
  let effects = core.connect('a');
  core.connect('b');
  core.connect('c');
  const tried: string[] = [];
  for (const name of ['first', 'second', 'third']) {
    const sent = only(effects, 'sendLease');
    tried.push(sent.lease.worker.workerId);
    effects = core.fail(sent, `${name} reason`);
  }
  assert.deepEqual(tried, ['a', 'b', 'c'], 'never twice on one while another is there');
  const { state, failure } = only(effects, 'changeJobState');
  assert.equal(state, 'failed');
  assert.equal(failure?.code, 'SHARD_FAILED');
  assert.equal(
    failure?.message,
    'the shard that makes the first meta-parameters failed 3 times. a: first reason; b: second reason; c: third reason',
  );
});

test('a need that every worker lacks fails the job with its own code; a need that one worker lacks does not', () => {
  const core = new Core();
  core.submit();
  const first = only(core.connect('a'), 'sendLease');
  core.connect('b');
  core.connect('other', { engine: 'compiled/cuda' });
  const second = only(core.fail(first, 'no omniglot in /here', false, 'DATA_SET_MISSING'), 'sendLease');
  assert.equal(second.lease.worker.workerId, 'b');
  const { state, failure } = only(
    core.fail(second, 'no omniglot in /there', false, 'DATA_SET_MISSING'),
    'changeJobState',
  );
  assert.equal(state, 'failed');
  assert.deepEqual(failure, {
    code: 'DATA_SET_MISSING',
    message: 'a: no omniglot in /here; b: no omniglot in /there',
  });

  core.submit({ jobId: 'k' });
  core.tell({ kind: 'workerDisconnected', ...core.from('b'), reason: 'gone' });
  const alone = core.state.leases.values().next().value as Lease;
  assert.equal(alone.worker.workerId, 'a');
  const effects = core.fail(
    { kind: 'sendLease', leaseId: alone.leaseId, lease: alone, deadlineMs: 1 },
    'no omniglot',
    false,
    'DATA_SET_MISSING',
  );
  assert.deepEqual(only(effects, 'changeJobState').failure, { code: 'DATA_SET_MISSING', message: 'no omniglot' });
});

test('a single worker gets a failed shard again, at most ten times', () => {
  const core = new Core();
  core.submit();
  let effects = core.connect('w');
  for (let attempt = 1; attempt <= 10; attempt += 1) effects = core.fail(only(effects, 'sendLease'), 'no');
  assert.match(only(effects, 'changeJobState').reason, /failed 10 times\. w: no$/);
});

test('a shard that kills its workers fails its job, not the cluster', () => {
  const core = new Core();
  core.submit();
  let effects: SeenEffect[] = [];
  for (let attempt = 1; attempt <= 10; attempt += 1) {
    assert.equal(of(core.connect('w'), 'sendLease').length, 1);
    effects = core.tell({ kind: 'workerDisconnected', ...core.from('w'), reason: 'the stream broke' });
  }
  assert.match(only(effects, 'changeJobState').reason, /lost 10 times with its worker, the last time w/);
});

test('a failure that every worker would have fails the job at once, under its own code', () => {
  const core = new Core();
  core.submit();
  const effects = core.fail(only(core.connect('w'), 'sendLease'), 'task.ways: got 900', true, 'REQUEST_INVALID');
  const { failure } = only(effects, 'changeJobState');
  assert.deepEqual(failure, { code: 'REQUEST_INVALID', message: 'task.ways: got 900' });
});

test('a task that is not finite fails the job or is skipped in the sum, as the job file says', () => {
  for (const [onNonFinite, kinds] of [
    ['fail', ['changeJobState']],
    ['skip', ['keepResult', 'reduce']],
  ] as const) {
    const core = new Core();
    core.submit({ onNonFinite, batchSize: 4 });
    const sent = only(core.initialize(core.connect('w')), 'sendLease');
    const effects = core.result(sent, 0, [2]);
    assert.deepEqual(
      effects.map(({ kind }) => kind),
      kinds,
    );
    if (onNonFinite === 'fail') {
      const message = /the meta-gradient of training task 2 is not finite, in shard 0 of meta-step 0 \(tasks 0 to 3\)/;
      assert.match(only(effects, 'changeJobState').failure?.message ?? '', message);
    }
  }
});

test('a result of other work than was leased is a failure of its worker', () => {
  const core = new Core();
  core.submit();
  const { lease } = only(core.connect('w'), 'sendLease');
  const result = { leaseId: lease.leaseId, work: 'train', nonFiniteTasks: [] } as const;
  const effects = core.tell({ kind: 'resultArrived', ...core.from('w'), ...result });
  assert.match(only(effects, 'reportRetry').reason, /answered initialize work with a result of train work/);
});

test('a second stream of a worker fences the first, whose later messages are ignored', () => {
  const core = new Core();
  core.submit();
  const old = only(core.connect('w'), 'sendLease');
  const oldStream = core.from('w');
  const effects = core.connect('w');
  assert.deepEqual(
    [only(effects, 'disconnectWorker').connection, only(effects, 'disconnectWorker').code],
    [oldStream.connection, 'WORKER_FENCED'],
  );
  assert.equal(of(core.result(old), 'dropResult').length, 1);
  assert.deepEqual(core.tell({ kind: 'workerDisconnected', ...oldStream, reason: 'late news' }), []);
  assert.ok(core.state.workers.has('w'));
});

test('a draining worker keeps its shards and gets no more', () => {
  const core = new Core();
  core.submit({ batchSize: 4, shardSize: 1 });
  const leases = of(core.initialize(core.connect('w', { slots: 2 })), 'sendLease');
  assert.equal(leases.length, 2);
  core.tell({ kind: 'workerDraining', ...core.from('w') });
  for (const lease of leases)
    assert.deepEqual(
      core.result(lease).map(({ kind }) => kind),
      ['keepResult'],
    );
  assert.equal(idleReason(core.state, core.state.workers.get('w')!), 'draining: takes no new lease');
});

test('after a pause, the coordinator reads pending messages before it marks workers as slow', () => {
  const core = new Core({ duplicateFloorMs: 100, heartbeatIntervalMs: 50 });
  core.submit({ batchSize: 8 });
  const [quick, slow] = of(core.initialize([...core.connect('a'), ...core.connect('b')]), 'sendLease');
  assert.ok(quick && slow);
  core.result(quick, 40);
  core.tick(25);
  assert.deepEqual(of(core.tick(1_000), 'sendLease'), []);
  assert.equal(only(core.tick(25), 'sendLease').lease.shard, slow.lease.shard, 'and still nothing came');
});

test('an idle slot computes a slow shard a second time; the first result counts and the other lease is cancelled', () => {
  const core = new Core({ duplicateFloorMs: 100, heartbeatIntervalMs: 50 });
  core.submit({ batchSize: 8 });
  const leases = of(core.initialize([...core.connect('a'), ...core.connect('b')]), 'sendLease');
  assert.equal(leases.length, 2);
  const [quick, slow] = leases;
  assert.ok(quick && slow);
  assert.deepEqual(
    core.result(quick, 40).map(({ kind }) => kind),
    ['keepResult'],
  );
  assert.deepEqual(core.tick(50), [], '90 ms: twice the measured 40 ms, but not yet the floor of 100 ms');
  const twin = only(core.tick(50), 'sendLease');
  assert.equal(twin.lease.shard, slow.lease.shard);
  assert.notEqual(twin.lease.worker, slow.lease.worker);
  assert.deepEqual(core.tick(50, 5), [], 'twice, not three times');
  const effects = core.result(twin);
  assert.equal(only(effects, 'cancelLease').lease, slow.lease);
  assert.equal(of(effects, 'reduce').length, 1);
  assert.equal(of(core.result(slow), 'dropResult').length, 1);
});

test('a late result gets the reason why it does not count, and changes no lease', () => {
  const core = new Core();
  core.submit();
  const first = only(core.connect('w'), 'sendLease');
  core.connect('other');
  const late = (workerId: string, leaseId: string) => {
    const effects = core.tell({ kind: 'lateResultArrived', ...core.from(workerId), leaseId });
    assert.equal(effects.length, 1);
    return only(effects, 'dropResult').reason;
  };
  assert.equal(late('other', first.lease.leaseId), 'the lease was granted to another stream');
  assert.equal(late('other', 'r-1'), 'no such lease: it is from before the coordinator started');
  core.result(first);
  assert.equal(late('w', first.lease.leaseId), 'its result has been counted');
  assert.equal(core.state.leases.has(first.lease.leaseId), false);
});

test('effects may name a lease that has just ended until the next event; an unknown lease is an assertion', () => {
  const core = new Core();
  core.submit();
  const { leaseId } = only(core.connect('w'), 'sendLease');
  assert.equal(leaseOf(core.state, leaseId).leaseId, leaseId);
  const effects = core.tell({ kind: 'workerDisconnected', ...core.from('w'), reason: 'gone' });
  assert.equal(leaseOf(core.state, only(effects, 'reportRetry').leaseId).worker.workerId, 'w');
  core.tell({ kind: 'tick' });
  assert.throws(() => leaseOf(core.state, leaseId), /no effect of the newest event names lease s-1/);
});
