// A database whose bits the disk has changed: nothing that is read back is silently wrong, and what is
// whole is still read.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Database, type Key, open } from 'lmdb';
import pino from 'pino';
import { JobBook } from '../../../../coordinator/jobs/job-book.ts';
import { JobStore } from '../../../../coordinator/store/job-store.ts';
import { readJob } from '../../../../learning/job-file.ts';
import { specText } from '../../../integration/coordinator/cluster.ts';

const limits = { unfinishedJobs: 10, unfinishedJobsPerClient: 10, jobBytes: 2 ** 30, watchers: 10, endedJobs: 10 };
const [shard, otherShard] = [Buffer.alloc(32, 5), Buffer.alloc(32, 6)];
const corrupt = { code: 'DATA_CORRUPT', message: /does not match its digest/ };

/** A database with two jobs, opened anew, and the same database raw. */
async function setUp(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  const path = join(directory, 'jobs.lmdb');
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
  const before = await JobStore.open(path);
  const book = new JobBook(before, limits, log, () => undefined);
  const [first, second] = [
    (await book.submit({ job: readJob(specText()), idempotencyKey: 'first' }, 1)).record,
    (await book.submit({ job: readJob(specText()), idempotencyKey: 'second' }, 2)).record,
  ];
  const stored = [first, second].flatMap((record) =>
    [1, 2, 3].map(
      (at) => before.append(record, at, { kind: 'stateChanged', state: 'queued', reason: 'because' }).stored,
    ),
  );
  await Promise.all(stored);
  await before.putShardHashes(first.jobId, new Map([[0, shard]]), 0);
  await before.putShardHashes(second.jobId, new Map([[0, otherShard]]), 0);
  await before.close();
  const reported: string[] = [];
  const store = await JobStore.open(path, { onCorrupt: ({ message }) => reported.push(message) });
  const raw = open({ path, noSubdir: true, maxDbs: 12 });
  t.after(async () => {
    await raw.close();
    await store.close();
    rmSync(directory, { recursive: true });
  });
  return { path, store, raw, first, second, reported, log, logged };
}

/**
 * lmdb lets its view of the database go by a timer of 0 ms; one that is set later comes later. Then
 * what the raw handle wrote is seen.
 */
const seen = () => new Promise((resolve) => setTimeout(resolve, 0));

/** The log's own key of an event, which says how large the event is. */
function logKey(log: Database<Buffer, Key>, sequence: number): Key {
  const [key] = log.getKeys({ start: [sequence], limit: 1 });
  assert.ok(Array.isArray(key) && key[0] === sequence);
  return key;
}

/**
 * Calls `check` with one bit of the table's value changed, for about 100 places in it, and puts the
 * value back each time.
 */
async function withChangedBits(table: Database<Buffer, Key>, key: Key, check: (where: string) => void): Promise<void> {
  const whole = Buffer.from(table.get(key)!);
  const stride = Math.ceil(whole.byteLength / 100);
  for (let at = 0; at < whole.byteLength; at += stride) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 1 << (at % 8);
    await table.put(key, changed);
    await seen();
    check(`byte ${at} of ${whole.byteLength}`);
  }
  await table.put(key, whole.subarray(0, whole.byteLength - 1));
  await seen();
  check('cut off');
  await table.put(key, whole);
  await seen();
}

test('a changed bit in a record, a key, a hash or an event gives an error or a missing entry, never another value', async (t) => {
  const { store, raw, first, second, reported } = await setUp(t);
  const table = (name: string) => raw.openDB<Buffer, Key>({ name, encoding: 'binary' });
  const { jobId } = first;
  const wholeEvents = store.eventsAfter(jobId, 0, 10);
  const wholeLog = store.log.read(0).events;
  await withChangedBits(table('records'), jobId, (where) => {
    assert.throws(() => store.record(jobId), corrupt, where);
    assert.deepEqual(store.record(second.jobId), second, where);
  });
  await withChangedBits(table('submissions'), 'first', (where) => {
    assert.throws(() => store.submission('first'), corrupt, where);
    assert.equal(store.submission('second')?.jobId, second.jobId);
  });
  await withChangedBits(table('shards'), [jobId, 0], (where) => {
    assert.throws(() => store.shardHash(jobId, 0, 0), corrupt, where);
    assert.deepEqual(store.shardHash(second.jobId, 0, 0), otherShard);
  });
  assert.deepEqual(reported, []);
  await withChangedBits(table('events'), [jobId, 2], (where) => {
    assert.deepEqual(store.eventsAfter(jobId, 0, 10), [wholeEvents[0], wholeEvents[2]], where);
  });
  await withChangedBits(table('log'), logKey(table('log'), 2), (where) => {
    assert.deepEqual(store.log.read(0).events, [wholeLog[0], ...wholeLog.slice(2)], where);
  });
  assert.equal(reported.length, 2, 'each once');
  assert.match(reported[0]!, new RegExp(`^events \\["${jobId}",2\\] in the job database does not match its digest`));
  assert.deepEqual(
    [store.record(jobId), store.eventsAfter(jobId, 0, 10)],
    [first, wholeEvents],
    'put back, all is whole',
  );
});

test('a value under the key or in the table of another value is not accepted', async (t) => {
  const { store, raw, first, second } = await setUp(t);
  const records = raw.openDB<Buffer, Key>({ name: 'records', encoding: 'binary' });
  const submissions = raw.openDB<Buffer, Key>({ name: 'submissions', encoding: 'binary' });
  await records.put(first.jobId, Buffer.from(records.get(second.jobId)!));
  await submissions.put('first', Buffer.from(records.get(second.jobId)!));
  await seen();
  assert.throws(() => store.record(first.jobId), corrupt);
  assert.throws(() => store.submission('first'), corrupt);
});

test('a damaged job record gives an error, is left out of lists and affects no other job; numbers of lost events are not reused', async (t) => {
  const { store, raw, first, second, log, logged } = await setUp(t);
  const [records, events, entries] = ['records', 'events', 'log'].map((name) =>
    raw.openDB<Buffer, Key>({ name, encoding: 'binary' }),
  ) as [Database<Buffer, Key>, Database<Buffer, Key>, Database<Buffer, Key>];
  const { jobId } = first;
  await records.put(jobId, Buffer.from('half a record'));
  await events.put([second.jobId, 3], Buffer.alloc(100));
  await entries.put(logKey(entries, 6), Buffer.alloc(100));
  await entries.put([2 ** 60, 0, 100], Buffer.alloc(100));
  await seen();
  const book = new JobBook(store, limits, log, () => undefined);
  assert.throws(() => book.record(jobId), { code: 'DATA_CORRUPT', message: new RegExp(`the record of job ${jobId}`) });
  assert.deepEqual(
    book.page(new Set(), Number.POSITIVE_INFINITY, 10).jobs.map((job) => job.jobId),
    [second.jobId],
  );
  assert.deepEqual(
    logged.filter((line) => line.jobId === jobId).map(({ msg }) => msg),
    ['a job record cannot be read; its job is left out'],
  );
  const { sequence, stored } = store.append(second, 9, { kind: 'stateChanged', state: 'queued', reason: 'later' });
  await stored;
  assert.equal(sequence, 4);
});

test('a record that can no longer be found gives an error, not an unknown job', async (t) => {
  const { store, raw, first, second, log } = await setUp(t);
  const ended = { ...first, state: 'failed' as const };
  await store.save(ended);
  const book = new JobBook(store, limits, log, () => undefined);
  assert.deepEqual(book.record(first.jobId), ended);
  await raw.openDB<Buffer, Key>({ name: 'records', encoding: 'binary' }).remove(first.jobId);
  await seen();
  assert.throws(() => book.record(first.jobId), {
    code: 'DATA_CORRUPT',
    message: /was there when the coordinator started/,
  });
  assert.equal(book.page(new Set(), Number.POSITIVE_INFINITY, 10).jobs[0]?.jobId, second.jobId);
  assert.throws(() => book.record('unheard-of'), { code: 'JOB_UNKNOWN' });
});
