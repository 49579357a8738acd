import assert from 'node:assert/strict';
import test from 'node:test';
import { idleReason } from '../../../../coordinator/core/placement.ts';
import { CoreDriver } from '../../../support/core-driver.ts';

/** `bad` sends results that cannot be ones until it gets nothing more; `good` does all the work. */
function quarantined(): CoreDriver {
  const core = new CoreDriver({ failuresToQuarantine: 3, quarantineFirstMs: 1_000, quarantineCeilingMs: 6_000 });
  core.connect('good');
  core.submit('job', { batchSize: 40 });
  core.answerAll('good');
  core.connect('bad', 3);
  spoil(core);
  return core;
}

/** Answers for `good` and spoils for `bad` until `bad` holds nothing. */
function spoil(core: CoreDriver): void {
  for (let round = 0; core.held('bad').length > 0; round += 1) {
    assert.ok(round < 50, 'bad is quarantined in time');
    for (const lease of core.held('bad')) core.fail(lease, true);
    core.answerAll('good');
  }
}

const standing = (core: CoreDriver) => core.state.workers.get('bad')?.health.standing;

const coolDowns = (core: CoreDriver) =>
  core.effects.flatMap((effect) => (effect.kind === 'reportQuarantine' ? [effect.coolDownMs] : []));

test('a worker whose results are refused three times in a row gets nothing until its cool-down is over', () => {
  const core = quarantined();
  assert.equal(standing(core), 'quarantined');
  const before = core.leases.length;
  core.pass(500);
  core.answerAll('good');
  assert.ok(core.leases.slice(before).every(({ worker }) => worker.workerId === 'good'));
  const bad = core.state.workers.get('bad');
  assert.ok(bad);
  assert.match(idleReason(core.state, bad), /quarantined for 1 s more \(time 1\) .* bad cannot/);
  core.pass(600);
  assert.equal(standing(core), 'probation');
});

test('on probation a worker holds one shard whatever its slots, and a counted result ends the probation', () => {
  const core = quarantined();
  core.pass(1_100);
  core.answerAll('good');
  assert.equal(core.held('bad').length, 1);
  const letBack = () => core.effects.filter(({ kind }) => kind === 'reportLetBack');
  assert.deepEqual(letBack(), []);
  core.answerAll('bad');
  assert.equal(standing(core), 'good');
  assert.deepEqual(
    letBack().map((effect) => 'workerId' in effect && effect.workerId),
    ['bad'],
  );
  core.answerAll('good');
  core.answerAll('bad');
  assert.equal(core.held('bad').length, 3);
});

test('a failure on probation quarantines at once, for twice as long, up to the ceiling', () => {
  const core = quarantined();
  for (let time = 0; time < 4; time += 1) {
    core.pass(6_100);
    core.answerAll('good');
    spoil(core);
  }
  assert.deepEqual(coolDowns(core), [1_000, 2_000, 4_000, 6_000, 6_000]);
});

test('a new stream does not end a quarantine', () => {
  const core = quarantined();
  core.disconnect('bad');
  core.connect('bad', 3);
  assert.equal(standing(core), 'quarantined');
  assert.equal(core.held('bad').length, 0);
});

test('twenty counted results later the next quarantine is as short as the first', () => {
  const core = quarantined();
  core.pass(1_100);
  for (let i = 0; i < 40; i += 1) {
    core.answerAll('bad');
    core.answerAll('good');
  }
  for (let round = 0; standing(core) === 'good'; round += 1) {
    assert.ok(round < 20);
    for (const lease of core.held('bad')) core.fail(lease, true);
    core.answerAll('good');
  }
  assert.deepEqual(coolDowns(core), [1_000, 1_000]);
});

test('failures that a worker reports count against it once another has computed the shard', () => {
  const core = new CoreDriver();
  core.connect('good');
  core.submit('job');
  core.answerAll('good');
  core.connect('bad');
  for (let round = 0; standing(core) === 'good'; round += 1) {
    assert.ok(round < 50, 'bad is quarantined in time');
    for (const lease of core.held('bad')) core.fail(lease);
    core.answerAll('good');
  }
  assert.equal(standing(core), 'quarantined');
});

test('a job that fails on every worker quarantines none of them', () => {
  const core = new CoreDriver();
  for (const name of ['bad', 'other', 'third']) core.connect(name);
  for (let job = 0; job < 5; job += 1) {
    core.submit(`hopeless-${job}`);
    for (let round = 0; core.state.jobs.size > 0; round += 1) {
      assert.ok(round < 50);
      for (const name of ['bad', 'other', 'third']) for (const lease of core.held(name)) core.fail(lease);
    }
  }
  assert.deepEqual(coolDowns(core), []);
  assert.equal(core.state.health.size, 0);
});

test('shards that a leaving worker returns do not count against it', () => {
  const core = new CoreDriver({ failuresToQuarantine: 1 });
  core.connect('good');
  core.submit('job');
  core.answerAll('good');
  core.connect('bad');
  const worker = core.state.workers.get('bad');
  assert.ok(worker);
  core.send({ kind: 'workerDraining', workerId: 'bad', connection: worker.connection });
  core.disconnect('bad');
  for (let i = 0; i < 8; i += 1) core.answerAll('good');
  assert.deepEqual(coolDowns(core), []);
});

test('a result for which the coordinator had no room does not count against its worker', () => {
  const blamed = (code: string) => {
    const core = new CoreDriver({ failuresToQuarantine: 1 });
    for (const name of ['good', 'full']) core.connect(name);
    core.submit('job', { batchSize: 8 });
    while (core.held('full').length === 0) core.answerAll('good');
    for (const lease of core.held('full')) core.fail(lease, false, code);
    for (let i = 0; i < 8; i += 1) core.answerAll('good');
    return coolDowns(core).length;
  };
  assert.equal(blamed('INTERNAL'), 1);
  assert.equal(blamed('QUEUE_FULL'), 0);
});
