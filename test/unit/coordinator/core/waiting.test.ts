// Why a job computes nothing: each reason from the state that makes it, in the order in which they are
// looked for.
import assert from 'node:assert/strict';
import test from 'node:test';
import { takeCensus } from '../../../../coordinator/core/census.ts';
import { idleReason, updateIdle } from '../../../../coordinator/core/placement.ts';
import { waitingJobs } from '../../../../coordinator/core/waiting.ts';
import { Core, of, only } from './harness.ts';

const whyOf = (core: Core, jobId = 'j') => {
  const { reason, message } = waitingJobs(core.state).get(jobId) ?? {};
  return [reason, message];
};

const stories = (core: Core, ticks: number) => of(core.tick(1_000, ticks), 'reportWait').map(({ reason }) => reason);

test('without any worker a job waits for one that offers its engine and device', () => {
  const core = new Core();
  core.submit({ engine: 'compiled/cuda' });
  assert.deepEqual(whyOf(core), [
    'noWorker',
    'it needs a worker that offers compiled/cuda (placement); no worker is connected',
  ]);
});

test('with workers of other engines the reason names their engines and devices', () => {
  const core = new Core();
  core.submit({ engine: 'compiled/cuda' });
  core.connect('a', { engine: 'eager/cpu' });
  core.connect('b');
  assert.deepEqual(whyOf(core), [
    'noWorker',
    'it needs a worker that offers compiled/cuda (placement); those that are connected offer compiled/cpu, eager/cpu',
  ]);
});

test('a job with a shard in flight, and one whose results are added, does not wait', () => {
  const core = new Core();
  core.connect('a');
  const lease = only(core.submit(), 'sendLease');
  assert.deepEqual(whyOf(core), [undefined, undefined]);
  core.result(lease);
  assert.deepEqual(whyOf(core), [undefined, undefined]);
});

test('a job waits while no connected worker has its fingerprint', () => {
  const core = new Core();
  core.connect('a', { fingerprint: 'old' });
  core.initialize(core.submit());
  core.tell({ kind: 'workerDisconnected', ...core.from('a'), reason: 'gone' });
  core.connect('b', { fingerprint: 'new' });
  const [reason, message] = whyOf(core);
  assert.equal(reason, 'otherEngine');
  assert.match(message ?? '', /fingerprint old, which no connected worker has \(placement\.mixed: true/);
});

test('a job waits while its workers drain or are quarantined', () => {
  const core = new Core();
  core.connect('a');
  core.connect('b');
  core.tell({ kind: 'workerDraining', ...core.from('a') });
  const failing = core.state.workers.get('b')!;
  failing.health.standing = 'quarantined';
  updateIdle(core.state, failing);
  core.submit();
  const [reason, message] = whyOf(core);
  assert.equal(reason, 'workersHeld');
  assert.match(message ?? '', /1 are about to leave and 1 are quarantined/);
});

test('a job waits while its workers compute for other jobs', () => {
  const core = new Core();
  core.connect('a');
  core.submit();
  core.submit({ jobId: 'k' });
  assert.deepEqual(whyOf(core, 'k'), ['workersBusy', 'the workers that may compute it (1) compute for other jobs']);
});

test('beyond the jobs that are computed at once a job says how many are before it', () => {
  const core = new Core({ maxRunningJobs: 1 });
  core.submit();
  core.submit({ jobId: 'k' });
  core.submit({ jobId: 'l' });
  core.submit({ jobId: 'urgent', priority: 2 });
  assert.deepEqual(whyOf(core, 'j'), ['queue', '1 jobs are computed at once, the limit of this coordinator']);
  assert.match(whyOf(core, 'l')[1] ?? '', /, and 2 more are before it$/);
  assert.equal(whyOf(core, 'urgent')[0], 'noWorker');
});

test('paused by request and paused for want of room are told apart, the latter with the newest figures', () => {
  const core = new Core();
  core.submit();
  core.tell({ kind: 'roomMissing', neededBytes: 10, reason: '1 MiB are free and 2 MiB are needed' });
  core.tell({ kind: 'roomMissing', neededBytes: 10, reason: '1.5 MiB are free and 2 MiB are needed' });
  assert.deepEqual(whyOf(core), ['disk', '1.5 MiB are free and 2 MiB are needed']);
  core.tell({ kind: 'jobPauseRequested', jobId: 'j' });
  assert.equal(whyOf(core)[0], 'paused');
  core.tell({ kind: 'jobResumeRequested', jobId: 'j' });
  assert.equal(whyOf(core)[0], 'noWorker');
});

test('after a while the story says once that a job waits for missing workers, and later that it goes on', () => {
  const core = new Core({ waitTellMs: 10_000 });
  core.submit({ engine: 'compiled/cuda' });
  assert.deepEqual(stories(core, 10), []);
  assert.deepEqual(stories(core, 60), [
    'waits: it needs a worker that offers compiled/cuda (placement); no worker is connected',
  ]);
  core.connect('a', { engine: 'compiled/cuda' });
  assert.deepEqual(stories(core, 1), ['a worker that may compute it is there again']);
  assert.deepEqual(stories(core, 60), []);
});

test('a job that waits for its turn or for busy workers tells no story', () => {
  const core = new Core({ waitTellMs: 10_000, maxRunningJobs: 2 });
  core.connect('a');
  for (const jobId of ['j', 'k', 'l']) core.submit({ jobId });
  assert.deepEqual(stories(core, 60), []);
  const { waiting } = takeCensus(core.state);
  assert.deepEqual([waiting.workersBusy, waiting.queue, waiting.noWorker], [1, 1, 0]);
});

test('a job whose workers read other data than it began with waits for one that reads the same', () => {
  const core = new Core();
  core.connect('a');
  core.fail(only(core.submit(), 'sendLease'), 'it reads omniglot/small', false, 'DATA_SET_DIFFERS');
  assert.deepEqual(whyOf(core), [
    'otherData',
    'the workers that offer its engine read other data: it reads omniglot/small',
  ]);
});

const plugin = (name: string, digit: string) => ({ name, sha256: digit.repeat(64) });
const [held, changed] = [plugin('parts.js', 'a'), plugin('parts.js', 'b')];

test('a job whose plugin no worker holds waits for one, and each worker says whether it lacks it or holds another version', () => {
  const core = new Core();
  core.connect('without');
  core.connect('other', { plugins: [changed] });
  assert.equal(of(core.submit({ plugins: [held] }), 'sendLease').length, 0);
  assert.deepEqual(whyOf(core), [
    'otherPlugin',
    'it uses the plugin parts.js (sha256 aaaaaaaaaaaa), and of the workers that offer its engine 1 lack it and 1 hold another version ' +
      '(metatrain workers says which)',
  ]);
  const reasonOf = (workerId: string) => idleReason(core.state, core.state.workers.get(workerId)!);
  const uses = 'job j uses the plugin parts.js (sha256 aaaaaaaaaaaa)';
  assert.equal(reasonOf('without'), `${uses}, which this worker was started without (--plugin)`);
  assert.equal(
    reasonOf('other'),
    `${uses}, and this worker holds another version of it, parts.js (sha256 bbbbbbbbbbbb)`,
  );
});

test('what counts of a plugin is its bytes: a worker that holds them under another name gets the shard', () => {
  const core = new Core();
  core.connect('without');
  core.connect('renamed', { plugins: [changed, plugin('copy.js', 'a')] });
  assert.equal(only(core.submit({ plugins: [held] }), 'sendLease').lease.worker.workerId, 'renamed');
});

test('a worker with plugins computes jobs that use none, and none of whose plugins it holds only some', () => {
  const core = new Core();
  core.connect('a', { plugins: [held] });
  assert.equal(of(core.submit({ plugins: [held, plugin('more.js', 'c')] }), 'sendLease').length, 0);
  assert.equal(only(core.submit({ jobId: 'k' }), 'sendLease').lease.job.plan.jobId, 'k');
});

test('a job keeps to fingerprint and plugins alike', () => {
  const core = new Core();
  core.connect('a', { plugins: [held], fingerprint: 'old' });
  core.initialize(core.submit({ plugins: [held] }));
  core.tell({ kind: 'workerDisconnected', ...core.from('a'), reason: 'gone' });
  core.connect('b', { fingerprint: 'old' });
  core.connect('c', { plugins: [held], fingerprint: 'new' });
  assert.equal(whyOf(core)[0], 'otherEngine');
  const effects = core.connect('d', { plugins: [held], fingerprint: 'old' });
  assert.ok(of(effects, 'sendLease').every(({ lease }) => lease.worker.workerId === 'd'));
  assert.ok(of(effects, 'sendLease').length > 0);
});
