import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { LoggedEvent } from '../../../../coordinator/store/cluster-events.ts';
import type { EventLog, EventLogLimits, FollowOptions } from '../../../../coordinator/store/event-log.ts';
import { JobStore } from '../../../../coordinator/store/job-store.ts';
import { type ClusterEvent, nameOf, sequenceOf } from '../../../../shared/cluster-event.ts';
import { MetatrainError } from '../../../../shared/errors.ts';
import { accuracyMeasure, lossMeasure, trainValues } from '../../../support/measures.ts';

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function openLog(t: TestContext, limits?: Partial<EventLogLimits>, directory = directoryOf(t)) {
  const store = await JobStore.open(join(directory, 'jobs.lmdb'), limits && { limits });
  let isOpen = true;
  const close = async () => {
    if (isOpen) await store.close();
    isOpen = false;
  };
  t.after(close);
  return { log: store.log, close, directory };
}

const left = (workerId: string, at = 1_000): LoggedEvent => ({
  name: 'worker.disconnected',
  subject: workerId,
  at,
  data: { workerId, reason: 'it left' },
});

const retried = (jobId: string, jobSequence: number): LoggedEvent => ({
  name: 'job.shard_retried',
  subject: jobId,
  at: 1_000,
  data: { jobId, jobSequence, metaStep: 0, shard: 0, workerId: 'w', reason: 'it failed' },
});

const summary = (jobId: string, step: number): LoggedEvent => ({
  name: 'job.meta_steps_applied',
  subject: jobId,
  at: 1_000,
  data: {
    jobId,
    jobSequence: step,
    step,
    iterations: 100,
    measures: trainValues(1),
    metaGradientNorm: 1,
    tasksPerSecond: 1,
    metaStepsPerSecond: 1,
    learningRate: 1,
    etaSeconds: 1,
  },
});

async function read(log: EventLog, options: FollowOptions = {}): Promise<ClusterEvent[]> {
  const events: ClusterEvent[] = [];
  for await (const event of log.follow({ isFollowing: false, ...options })) events.push(event);
  return events;
}

const sequences = (events: readonly ClusterEvent[]) => events.map(sequenceOf);

test('events come in the order in which they were appended, jobs and workers alike, and one job alone when asked', async (t) => {
  const { log } = await openLog(t);
  await Promise.all([log.append(left('w1')), log.append(retried('a', 1)), log.append(retried('b', 1))]);
  await log.append(retried('a', 2));
  const all = await read(log);
  assert.deepEqual(sequences(all), [1, 2, 3, 4]);
  assert.deepEqual(all.map(nameOf), [
    'worker.disconnected',
    'job.shard_retried',
    'job.shard_retried',
    'job.shard_retried',
  ]);
  assert.deepEqual(sequences(await read(log, { jobId: 'a' })), [2, 4]);
  assert.deepEqual(sequences(await read(log, { jobId: 'a', after: 2 })), [4]);
  assert.deepEqual(sequences(await read(log, { after: 3 })), [4]);
  assert.deepEqual(await read(log, { jobId: 'unknown' }), []);
  assert.equal(log.countAfter(1), 3);
});

test('sequences, ids and progress go on after the log is opened again', async (t) => {
  const first = await openLog(t);
  await first.log.append(left('w1'));
  await first.log.noteProgress('bus', 1);
  const [before] = await read(first.log);
  await first.close();
  const { log } = await openLog(t, {}, first.directory);
  await log.append(left('w2'));
  const [again, next] = await read(log);
  assert.deepEqual(again, before);
  assert.equal(next?.sequence, '0000000000000002');
  assert.equal(next?.id, `${log.clusterId}-2`);
  assert.equal(log.progressOf('bus'), 1);
  assert.equal(log.progressOf('another'), 0);
});

test('a reader from memory gets the events that are on the disk, from every position', async (t) => {
  const limits = { summaries: 20, others: 30 };
  const { log, close, directory } = await openLog(t, limits);
  for (let i = 1; i <= 40; i += 1) {
    await Promise.all([log.append(summary('a', i)), log.append(left('a')), log.append(retried('b', i))]);
  }
  const positions = Array.from({ length: 122 }, (_, after) => after);
  const everything = async (from: EventLog) => {
    const found: ClusterEvent[][] = [];
    for (const after of positions)
      for (const job of [{}, { jobId: 'a' }]) found.push(await read(from, { after, ...job }));
    return found;
  };
  const inMemory = await everything(log);
  await close();
  assert.deepEqual(inMemory, await everything((await openLog(t, limits, directory)).log));
  assert.deepEqual(sequences(inMemory.at(-6) ?? []), [120]);
});

test('beyond their limits summaries and other events each lose their oldest', async (t) => {
  const { log } = await openLog(t, { summaries: 3, others: 4 });
  await log.append(retried('a', 1));
  for (let step = 1; step <= 10; step += 1) await log.append(summary('a', step));
  assert.deepEqual(sequences(await read(log)), [1, 9, 10, 11]);
  assert.deepEqual(sequences(await read(log, { jobId: 'a' })), [1, 9, 10, 11]);
  assert.equal(log.countAfter(0), 4);
  assert.equal(log.countAfter(9), 2);
  for (let i = 2; i <= 5; i += 1) await log.append(retried('a', i));
  assert.deepEqual(sequences(await read(log)), [9, 10, 11, 12, 13, 14, 15]);
});

/** About 120 kB: losses and accuracies after 0, 1, …, 1,000 inner steps. */
function evaluated(jobId: string, jobSequence: number): LoggedEvent {
  const estimates = Array.from({ length: 1_001 }, () => ({ mean: 0.5, halfWidth95: 0.25 }));
  const protocol = {
    distribution: 'omniglot',
    split: 'test',
    tasks: 2,
    ways: 5,
    shots: 1,
    queries: 1,
    transductive: false,
    splitDescription: '',
  };
  const data = {
    jobId,
    jobSequence,
    step: jobSequence,
    protocol,
    measures: [lossMeasure(estimates), accuracyMeasure(estimates)],
    divergedTasks: 0,
  };
  return { name: 'job.evaluated', subject: jobId, at: 1_000, data };
}

test('events beyond the limit of bytes are dropped too, oldest first, also after a restart; the newest stays whatever its size', async (t) => {
  const bytes = 1_000_000;
  const first = await openLog(t, { bytes });
  await first.log.append(summary('a', 1));
  for (let i = 2; i <= 31; i += 1) await first.log.append(evaluated('a', i));
  const kept = first.log.countAfter(1);
  assert.ok(kept >= 4 && kept < 30, `${kept} evaluations are kept`);
  const expected = [1, ...Array.from({ length: kept }, (_, i) => 32 - kept + i)];
  assert.deepEqual(sequences(await read(first.log, { jobId: 'a' })), expected);
  await first.close();
  const { log } = await openLog(t, { bytes }, first.directory);
  await log.append(evaluated('a', 32));
  assert.equal(log.countAfter(1), kept);
  assert.deepEqual(sequences(await read(log)), [1, ...expected.slice(2), 32]);
  const { log: small } = await openLog(t, { bytes: 10 });
  for (let i = 1; i <= 3; i += 1) await small.append(evaluated('a', i));
  assert.deepEqual(sequences(await read(small)), [3]);
});

test('reading since a time gives the events from that time on', async (t) => {
  const { log } = await openLog(t, { others: 100 });
  for (let i = 1; i <= 150; i += 1) await log.append(left('w', i * 10));
  assert.deepEqual(sequences(await read(log, { since: 1_495 })), [150]);
  assert.deepEqual(sequences(await read(log, { since: 1_490 })), [149, 150]);
  assert.equal((await read(log, { since: 0 })).length, 100);
  assert.deepEqual(await read(log, { since: 1_501 }), []);
});

test('a follower gets later events, and ends on request', async (t) => {
  const { log } = await openLog(t);
  await log.append(left('w1'));
  const over = new AbortController();
  const following = log.follow({ signal: over.signal });
  assert.equal((await following.next()).value?.subject, 'w1');
  const next = following.next();
  await log.append(left('w2'));
  assert.equal((await next).value?.subject, 'w2');
  const never = following.next();
  over.abort();
  assert.deepEqual(await never, { value: undefined, done: true });
});

test('a follower that stops reading misses only the events that are dropped in the meantime', async (t) => {
  const { log } = await openLog(t, { summaries: 5 });
  const over = new AbortController();
  const slow = log.follow({ signal: over.signal });
  await log.append(summary('a', 1));
  await slow.next();
  for (let step = 2; step <= 200; step += 1) await log.append(summary('a', step));
  const seen: number[] = [];
  for (let i = 0; i < 5; i += 1) seen.push(sequenceOf((await slow.next()).value as ClusterEvent));
  assert.deepEqual(seen, [196, 197, 198, 199, 200]);
  over.abort();
  await slow.next();
});

test('more followers than the limit are refused, until one has ended', async (t) => {
  const { log } = await openLog(t, { followers: 1 });
  await log.append(left('w1'));
  const first = log.follow();
  await first.next();
  await assert.rejects(
    log.follow().next(),
    (thrown) => thrown instanceof MetatrainError && thrown.code === 'QUEUE_FULL' && /limit/.test(thrown.message),
  );
  await first.return();
  assert.equal((await log.follow({ isFollowing: false }).next()).value?.subject, 'w1');
});
