// Requests in the core: which slots they get, who serves them, and how they end.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { CoreEffect } from '../../../../coordinator/core/effect.ts';
import { anyLeaseOf, type RequestLease, type RequestPlan } from '../../../../coordinator/core/state.ts';
import { checkState } from '../../../simulation/invariants.ts';
import { Core } from './harness.ts';

type Granted = Pick<RequestLease, 'leaseId' | 'worker' | 'request'>;

class RequestCore extends Core {
  ask(requestId: string, plan: Partial<RequestPlan> = {}): Granted[] {
    const usual = { work: 'adapt', learnerId: 'l', engine: 'compiled/cpu', plugins: [], patienceMs: 60_000 } as const;
    return this.leased(this.tell({ kind: 'requestSubmitted', plan: { requestId, ...usual, ...plan } }));
  }

  answer({ leaseId, worker, request }: Granted): readonly CoreEffect[] {
    const from = this.from(worker.workerId);
    const { work } = request.plan;
    return this.tell({ kind: 'resultArrived', ...from, leaseId, work, nonFiniteTasks: [] });
  }

  refuse(
    { leaseId, worker }: Granted,
    failure: { message: string; code?: string; isPermanent?: boolean; isRejected?: boolean },
  ): readonly CoreEffect[] {
    const usual = { code: 'INTERNAL', isPermanent: false, isRejected: false };
    return this.tell({ kind: 'shardFailed', ...this.from(worker.workerId), leaseId, ...usual, ...failure });
  }

  /** Of requests. */
  leased(effects: readonly CoreEffect[]): Granted[] {
    checkState(this.state);
    return effects.flatMap((effect) => {
      const lease = effect.kind === 'sendLease' ? anyLeaseOf(this.state, effect.leaseId) : undefined;
      return lease?.kind === 'request' ? [lease] : [];
    });
  }
}

const failureIn = (effects: readonly CoreEffect[]) => effects.find((effect) => effect.kind === 'requestFailed');
const workerIds = (leases: readonly Granted[]) => leases.map(({ worker }) => worker.workerId);

test('requests take their share of the slots before any shard, and the rest only when no shard wants it', () => {
  const core = new RequestCore();
  core.submit({ batchSize: 8, shardSize: 1 });
  core.connect('a', { slots: 4 });
  core.initialize([]);
  for (const lease of [...core.state.leases.values()]) {
    core.tell({
      kind: 'resultArrived',
      ...core.from('a'),
      leaseId: lease.leaseId,
      work: 'initialize',
      nonFiniteTasks: [],
    });
  }
  core.reduced();
  assert.equal(core.state.leases.size, 4);
  for (let i = 0; i < 6; i += 1) assert.deepEqual(core.ask(`r${i}`), []);
  const answered = [...core.state.leases.values()];
  for (const { leaseId } of answered) {
    core.tell({ kind: 'resultArrived', ...core.from('a'), leaseId, work: 'train', nonFiniteTasks: [] });
  }
  assert.equal(core.state.requestsLeased, 2);
  assert.equal(core.state.leases.size, 4);
  core.tell({ kind: 'jobPauseRequested', jobId: 'j' });
  for (const lease of [...core.state.leases.values()]) {
    if (lease.kind === 'shard') {
      core.tell({
        kind: 'resultArrived',
        ...core.from('a'),
        leaseId: lease.leaseId,
        work: 'train',
        nonFiniteTasks: [],
      });
    }
  }
  assert.equal(core.state.requestsLeased, 4, 'what the paused job leaves idle is for requests');
});

test('a request goes to the worker that served its learner last, where that is idle', () => {
  const core = new RequestCore();
  for (const workerId of ['a', 'b', 'c']) core.connect(workerId);
  const [first] = core.ask('r1', { learnerId: 'x' });
  const [second] = core.ask('r2', { learnerId: 'y' });
  assert.deepEqual(workerIds([first!]), ['a']);
  core.answer(second!);
  core.answer(first!);
  assert.deepEqual(workerIds(core.ask('r3', { learnerId: 'y' })), workerIds([second!]));
  assert.deepEqual(workerIds(core.ask('r4', { learnerId: 'x' })), ['a']);
});

test('a request fails with the messages of three workers, and with fewer where it cannot succeed anywhere', () => {
  const core = new RequestCore();
  for (const workerId of ['a', 'b', 'c', 'd']) core.connect(workerId);
  let [lease] = core.ask('r');
  let effects: readonly CoreEffect[] = [];
  for (let i = 0; i < 3; i += 1) {
    effects = core.refuse(lease!, { message: `no, says ${lease!.worker.workerId}` });
    [lease] = core.leased(effects);
  }
  const failed = failureIn(effects);
  assert.equal(failed?.code, 'SHARD_FAILED');
  assert.match(failed.message, /^the adapt request failed 3 times\. a: no, says a; b: no, says b; c: no, says c$/);

  const [hopeless] = core.ask('s');
  const once = core.refuse(hopeless!, { message: 'state: got w', code: 'REQUEST_INVALID', isPermanent: true });
  assert.deepEqual(failureIn(once), {
    kind: 'requestFailed',
    requestId: 's',
    code: 'REQUEST_INVALID',
    message: 'state: got w',
  });
  assert.equal(core.state.requests.size, 0);
});

test('an answer that cannot be one is held against its worker, and the request goes on', () => {
  const core = new RequestCore({ failuresToQuarantine: 1 });
  core.connect('bad');
  const [lease] = core.ask('r');
  core.connect('good');
  const effects = core.refuse(lease!, { message: 'answer: shape', isRejected: true });
  assert.ok(effects.some((effect) => effect.kind === 'reportQuarantine' && effect.workerId === 'bad'));
  const [again] = core.leased(effects);
  assert.deepEqual(workerIds([again!]), ['good']);
  assert.ok(core.answer(again!).some((effect) => effect.kind === 'requestDone' && effect.requestId === 'r'));
});

test('a worker that computes too long loses the lease, and the request fails when its patience is over', () => {
  const core = new RequestCore({ leaseFloorMs: 10_000 });
  core.connect('a');
  core.ask('r', { patienceMs: 15_000 });
  const after10 = core.tick(1_000, 10);
  assert.ok(after10.some((effect) => effect.kind === 'reportRetry' && effect.cause === 'deadline'));
  const failed = failureIn(core.tick(1_000, 5));
  assert.equal(failed?.code, 'DEADLINE_EXCEEDED');
  assert.match(
    failed.message,
    /no answer to the adapt request within 15000 ms: a was still computing it; before that it failed on a: no result/,
  );
  assert.equal(core.state.leases.size, 0);
});

test('compiling for a request stops the deadline of its lease, and not its patience', () => {
  const core = new RequestCore({ leaseFloorMs: 10_000 });
  core.connect('a');
  const [lease] = core.ask('r', { patienceMs: 40_000 });
  const { leaseId } = lease!;
  core.tell({ kind: 'shardProgressed', ...core.from('a'), leaseId, isStarting: true, isReopening: true });
  core.tick(1_000, 30);
  assert.ok(core.state.leases.has(leaseId));
  assert.equal(failureIn(core.tick(1_000, 10))?.code, 'DEADLINE_EXCEEDED');
});

test('more requests than may wait are refused, and change nothing', () => {
  const core = new RequestCore({ maxRequests: 2 });
  core.ask('r1');
  core.ask('r2');
  assert.throws(() => core.ask('r3'), { code: 'QUEUE_FULL', message: /2 requests wait for their answers/ });
  assert.equal(core.state.requests.size, 2);
  core.tell({ kind: 'requestCancelled', requestId: 'r1' });
  core.tell({ kind: 'requestCancelled', requestId: 'r1' });
  core.ask('r3');
  assert.equal(core.state.requests.size, 2);
});

test('a request gets no worker of another engine, and no worker that is draining', () => {
  const core = new RequestCore();
  core.connect('eager', { engine: 'eager/cpu' });
  core.connect('leaving');
  core.tell({ kind: 'workerDraining', ...core.from('leaving') });
  assert.deepEqual(core.ask('r'), []);
  core.connect('fit', { fingerprint: 'another' });
  assert.equal([...core.state.requests.values()][0]?.lease?.worker.workerId, 'fit');
});

test('a request that uses a plugin gets a worker that holds its bytes, and says what it waits for', () => {
  const core = new RequestCore();
  const plugin = { name: 'parts.js', sha256: 'a'.repeat(64) };
  core.connect('without');
  core.connect('changed', { plugins: [{ ...plugin, sha256: 'b'.repeat(64) }] });
  assert.deepEqual(core.ask('r', { plugins: [plugin], patienceMs: 1_000 }), []);
  const failed = failureIn(core.tick(1_000));
  assert.match(failed?.message ?? '', /no worker that offers compiled\/cpu and holds its plugins is connected/);
  core.connect('with', { plugins: [plugin] });
  assert.deepEqual(workerIds(core.ask('s', { plugins: [plugin] })), ['with']);
});
