import assert from 'node:assert/strict';
import test from 'node:test';
import { CoreDriver } from '../../../support/core-driver.ts';

const jobOf = (core: CoreDriver, workerId: string) => core.held(workerId)[0]?.job.plan.jobId;

test('a job of high priority gets the very next slot, and the shards in flight are finished, not taken away', () => {
  const core = new CoreDriver();
  core.connect('w1');
  core.connect('w2');
  core.submit('usual');
  core.answerAll('w1');
  assert.equal(jobOf(core, 'w1'), 'usual');
  assert.equal(jobOf(core, 'w2'), 'usual');
  core.submit('urgent', { priority: 2 });
  assert.equal(jobOf(core, 'w1'), 'usual');
  core.answerAll('w1');
  assert.equal(jobOf(core, 'w1'), 'urgent');
  assert.ok(!core.effects.some(({ kind }) => kind === 'cancelLease' || kind === 'writeCheckpoint'));
});

test('a job of low priority gets the slots that other jobs cannot use', () => {
  const core = new CoreDriver();
  core.connect('w1');
  core.submit('low', { priority: 0 });
  core.answerAll('w1');
  core.submit('usual', { batchSize: 1 });
  core.answerAll('w1');
  assert.equal(jobOf(core, 'w1'), 'usual');
  core.connect('w2');
  assert.equal(jobOf(core, 'w2'), 'low');
});

test('jobs of one priority share the slots by compute time, shard by shard', () => {
  const core = new CoreDriver();
  core.connect('w1');
  core.submit('long');
  core.submit('short');
  const msOf = { long: 300, short: 100 } as Record<string, number>;
  const spent = { long: 0, short: 0 } as Record<string, number>;
  for (let i = 0; i < 400; i += 1) {
    const [lease] = core.held('w1');
    assert.ok(lease);
    const { jobId } = lease.job.plan;
    core.pass(msOf[jobId]!);
    spent[jobId]! += msOf[jobId]!;
    core.answer(lease);
  }
  const ratio = spent.long! / spent.short!;
  assert.ok(ratio > 0.9 && ratio < 1.1, `compute time ${JSON.stringify(spent)}`);
});

test('a job whose program a worker had to open again keeps the slot for ten times as long, and then the others catch up', () => {
  const core = new CoreDriver();
  core.connect('w1');
  core.submit('one');
  core.submit('other');
  const turns: string[] = [];
  const turn = () => {
    const [lease] = core.held('w1');
    assert.ok(lease);
    const { jobId } = lease.job.plan;
    // A worker with room for one program opens the other at every change of jobs.
    if (turns.at(-1) !== jobId) core.reopen(lease, 200);
    core.pass(50);
    core.answer(lease);
    turns.push(jobId);
  };
  for (let i = 0; i < 400; i += 1) turn();
  const changes = turns.filter((jobId, i) => jobId !== turns[i - 1]).length;
  assert.ok(changes <= 12, `${changes} changes in 400 shards`);
  const share = turns.filter((jobId) => jobId === 'one').length / turns.length;
  assert.ok(share > 0.4 && share < 0.6, `one job got ${share}`);
});

test('a job of higher priority interrupts a stretch', () => {
  const core = new CoreDriver();
  core.connect('w1');
  core.submit('usual');
  core.answerAll('w1');
  const [lease] = core.held('w1');
  assert.ok(lease);
  core.reopen(lease, 1_000);
  core.submit('urgent', { priority: 2 });
  core.answerAll('w1');
  assert.equal(jobOf(core, 'w1'), 'urgent');
});

test('at the limit of running jobs, a job of higher priority displaces the least urgent one, which goes on later', () => {
  const core = new CoreDriver({ maxRunningJobs: 2 });
  core.connect('w1');
  core.submit('first');
  core.submit('second');
  core.submit('urgent', { priority: 2, iterations: 1, batchSize: 1 });
  const admitted = () => [...core.state.admitted].map(({ plan }) => plan.jobId).sort();
  assert.deepEqual(admitted(), ['first', 'urgent']);
  for (let i = 0; core.state.jobs.has('urgent'); i += 1) {
    assert.ok(i < 50);
    core.answerAll('w1');
  }
  assert.deepEqual(admitted(), ['first', 'second']);
});

test('a paused job gives its place up, and a cancelled one its leases', () => {
  const core = new CoreDriver();
  core.connect('w1');
  core.submit('usual');
  core.submit('urgent', { priority: 2 });
  core.answerAll('w1');
  assert.equal(jobOf(core, 'w1'), 'urgent');
  core.send({ kind: 'jobPauseRequested', jobId: 'urgent' });
  core.answerAll('w1');
  assert.equal(jobOf(core, 'w1'), 'usual');
  core.send({ kind: 'jobResumeRequested', jobId: 'urgent' });
  core.answerAll('w1');
  assert.equal(jobOf(core, 'w1'), 'urgent');
  core.send({ kind: 'jobCancelRequested', jobId: 'urgent' });
  assert.equal(jobOf(core, 'w1'), 'usual');
});

test('a shard goes back to the worker that still holds its result', () => {
  const core = new CoreDriver();
  core.submit('job');
  core.connect('w1');
  core.answerAll('w1');
  core.disconnect('w1');
  core.connect('w2');
  core.answerAll('w2');
  core.disconnect('w2');
  // Two idle workers; only the second says that it has shard 0 or 1 of meta-step 0 already.
  const { phase } = core.state.jobs.get('job')!;
  assert.equal(phase.kind, 'computing');
  const next = phase.kind === 'computing' ? phase.batch.pending.at(-1)! : undefined;
  core.send({ kind: 'jobPauseRequested', jobId: 'job' });
  core.connect('w3');
  core.connect('w4');
  const { connection } = core.state.workers.get('w4')!;
  const held = [{ jobId: 'job', work: 'train' as const, step: 0, shard: next!.index }];
  core.send({ kind: 'resultsOffered', workerId: 'w4', connection, held });
  core.send({ kind: 'jobResumeRequested', jobId: 'job' });
  assert.equal(core.held('w4')[0]?.shard.index, next!.index);
});
