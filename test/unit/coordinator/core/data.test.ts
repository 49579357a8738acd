// Workers that read other data than the job began with: refused the job, and nothing else.
import assert from 'node:assert/strict';
import test from 'node:test';
import { idleReason } from '../../../../coordinator/core/placement.ts';
import { Core, type EffectOf, of, only, statesIn } from './harness.ts';

const differs =
  'the job keeps to the data it began with, omniglot small sha256 aa; read here: omniglot small sha256 bb';
const refuse = (core: Core, sent: EffectOf<'sendLease'>) => core.fail(sent, differs, false, 'DATA_SET_DIFFERS');
const reasonOf = (core: Core, workerId: string) => idleReason(core.state, core.state.workers.get(workerId)!);

/** θ₀ is there, made by `right`; then `wrong` connects. */
function trainingCore(options: { readonly rightStays?: boolean } = {}) {
  const core = new Core();
  core.submit({ batchSize: 2, shardSize: 1 });
  const begun = core.initialize(core.connect('right'));
  if (!options.rightStays) core.tell({ kind: 'workerDisconnected', ...core.from('right'), reason: 'gone' });
  return { core, begun, sent: only(core.connect('wrong'), 'sendLease') };
}

test('a worker with other data is refused the job, and its shard goes on to another without counting as failed', () => {
  const { core, begun, sent } = trainingCore({ rightStays: true });
  const effects = refuse(core, sent);
  const retry = only(effects, 'reportRetry');
  assert.deepEqual([retry.cause, retry.lease.worker.workerId, retry.reason], ['otherData', 'wrong', differs]);
  assert.deepEqual([...sent.lease.shard.failures, ...sent.lease.shard.suspects, sent.lease.shard.losses], [0]);
  assert.equal(of(effects, 'sendLease').length, 0, 'the right worker is busy, and the wrong one gets nothing');
  assert.equal(reasonOf(core, 'wrong'), `refused by job j: ${differs}`);
  const next = only(core.result(only(begun, 'sendLease')), 'sendLease');
  assert.deepEqual([next.lease.worker.workerId, next.lease.shard], ['right', sent.lease.shard]);
});

test('a worker that is refused on stream after stream for its data is not quarantined, and the job does not fail', () => {
  const { core, sent } = trainingCore();
  let refused = sent;
  for (let stream = 0; stream < 30; stream += 1) {
    const effects = refuse(core, refused);
    assert.deepEqual([...statesIn(effects), ...of(effects, 'reportQuarantine')], []);
    core.tick(1_000);
    core.tell({ kind: 'workerDisconnected', ...core.from('wrong'), reason: 'restarted' });
    refused = only(core.connect('wrong'), 'sendLease');
  }
  assert.equal(core.state.workers.get('wrong')?.health.standing, 'good');
});

test('a job whose only worker has other data waits, and goes on when one with its data comes', () => {
  const { core, sent } = trainingCore();
  refuse(core, sent);
  assert.deepEqual(of(core.tick(60_000, 10), 'changeJobState'), []);
  const resumed = only(core.connect('right again'), 'sendLease');
  assert.equal(resumed.lease.worker.workerId, 'right again');
  assert.equal(of(core.result(resumed), 'keepResult').length, 1);
});

test('a worker that one job refuses computes other jobs', () => {
  const { core, sent } = trainingCore();
  refuse(core, sent);
  const other = only(core.submit({ jobId: 'k' }), 'sendLease');
  assert.deepEqual([other.lease.worker.workerId, other.lease.job.plan.jobId], ['wrong', 'k']);
});

test('a result with other data is refused, and does not count against its worker', () => {
  const { core, sent } = trainingCore({ rightStays: true });
  const { worker, leaseId } = sent.lease;
  const from = { workerId: worker.workerId, connection: worker.connection };
  const failure = { code: 'DATA_SET_DIFFERS', message: differs, isPermanent: false, isRejected: true };
  const effects = core.tell({ kind: 'shardFailed', ...from, leaseId, ...failure });
  assert.equal(only(effects, 'reportRetry').cause, 'otherData');
  assert.equal(core.state.health.size, 0);
});
