// What the store refuses before a disk is full, what waits for room, and in which order it is written then. The disk here is a number; a real one is
// filled in test/e2e/full-disk.test.ts.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { Checkpointing } from '../../../../coordinator/jobs/checkpointing.ts';
import { JobBook } from '../../../../coordinator/jobs/job-book.ts';
import type { CheckpointStore } from '../../../../coordinator/store/checkpoint-store.ts';
import { DiskRoom, essentialReserveBytes, reserveBytes } from '../../../../coordinator/store/disk-room.ts';
import { JobStore } from '../../../../coordinator/store/job-store.ts';
import { OrderedWrites } from '../../../../coordinator/store/ordered-writes.ts';
import { parseJobSpec, readJob } from '../../../../learning/job-file.ts';
import { nextTurn } from '../../../../shared/clock.ts';
import { MetatrainError } from '../../../../shared/errors.ts';
import { silentLogger } from '../../../../shared/log.ts';
import { specText } from '../../../integration/coordinator/cluster.ts';

const disk = { freeBytes: 0 };
const room = new DiskRoom('/state', () => disk.freeBytes);

test('a write that would leave less than the reserve is refused with the directory and both figures', async () => {
  disk.freeBytes = reserveBytes + 999;
  assert.equal(await room.write(999, reserveBytes, async () => 'written'), 'written');
  let isBegun = false;
  const refused = room.write(1_000, reserveBytes, async () => {
    isBegun = true;
  });
  await assert.rejects(refused, {
    code: 'DISK_FULL',
    message: 'the disk of /state is full: 16.0 MiB are free and 16.0 MiB are needed, in reserve; make room there',
    details: { directory: '/state', freeBytes: reserveBytes + 999, neededBytes: reserveBytes + 1_000 },
  });
  assert.equal(isBegun, false);
});

test('writes under way are counted until the disk shows them', async () => {
  disk.freeBytes = reserveBytes + 1_000;
  let finish = () => {};
  const first = room.write(800, reserveBytes, async (onWritten) => {
    onWritten(300);
    disk.freeBytes -= 300;
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
  });
  await assert.rejects(
    room.write(201, reserveBytes, async () => undefined),
    { code: 'DISK_FULL' },
  );
  await room.write(200, reserveBytes, async () => undefined);
  finish();
  await first;
  assert.equal(room.freeBytes, reserveBytes + 700);
});

test('a write that the disk refuses despite free room gives DISK_FULL, and other failures stay as they are', async () => {
  disk.freeBytes = 1e12;
  const fail = (code: string) =>
    room.write(1, reserveBytes, () => Promise.reject(Object.assign(new Error('no'), { code })));
  await assert.rejects(fail('ENOSPC'), { code: 'DISK_FULL', message: /takes no more \(no\)/ });
  await assert.rejects(fail('EDQUOT'), { code: 'DISK_FULL' });
  await assert.rejects(fail('EISDIR'), { code: 'EISDIR' });
});

test('a write that fails for a passing reason is told apart, for both spellings of the system’s error', async () => {
  disk.freeBytes = 1e12;
  const fail = (code: string | number) =>
    room.write(1, reserveBytes, () => Promise.reject(Object.assign(new Error('too many open files'), { code })));
  for (const code of ['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM', 'EINTR', 'EBUSY', 'EIO', 'EROFS', 'EACCES']) {
    await assert.rejects(fail(code), { code: 'STORAGE_UNAVAILABLE' }, code);
  }
  // As lmdb gives them: errno.
  await assert.rejects(fail(constants.errno.EIO), { code: 'STORAGE_UNAVAILABLE' });
  await assert.rejects(fail(constants.errno.ENOSPC), { code: 'DISK_FULL' });
  await assert.rejects(fail('EMFILE'), {
    code: 'STORAGE_UNAVAILABLE',
    message: 'the disk of /state cannot be written to now: too many open files; it is tried again every second',
    details: { directory: '/state', neededBytes: 0 },
  });
});

test('nothing is written while the directory is gone', async () => {
  disk.freeBytes = 1e12;
  let gone: MetatrainError | undefined = new MetatrainError('STORAGE_UNAVAILABLE', 'it is gone');
  const watched = new DiskRoom(
    '/state',
    () => disk.freeBytes,
    () => gone,
  );
  await assert.rejects(
    watched.write(1, reserveBytes, async () => assert.fail('written')),
    { code: 'STORAGE_UNAVAILABLE' },
  );
  gone = undefined;
  assert.equal(await watched.write(1, reserveBytes, async () => 'written'), 'written');
});

test('a checkpoint that the disk refuses for a passing reason is tried again until it is written, and its job waits', async (t) => {
  disk.freeBytes = 1e12;
  const { book } = await openBook(t);
  const { record } = await book.submit({ job: readJob(specText()) }, 1);
  const refusals = [
    new MetatrainError('STORAGE_UNAVAILABLE', 'EMFILE'),
    new MetatrainError('STORAGE_UNAVAILABLE', 'EIO'),
  ];
  const attempts: string[] = [];
  const files = {
    async write() {
      const refusal = refusals.shift();
      attempts.push(refusal?.message ?? 'written');
      if (refusal) throw refusal;
      return { sha256: 'a'.repeat(64), bytes: 10 };
    },
    async remove() {},
  } as unknown as CheckpointStore;
  const checkpointing = new Checkpointing(files, book, silentLogger);
  const metaParams = { step: 1, vector: new Float32Array(1), sha256: Buffer.alloc(32) };
  const snapshot = { metaParams, layout: { tensors: [] }, slots: {}, chain: Buffer.alloc(32), skippedTasks: 0 };
  const written = checkpointing.write(record, parseJobSpec(record.spec), snapshot, 'final');
  const waiting = () => checkpointing.retry(disk.freeBytes).map(({ jobId, error }) => [jobId, error.message]);
  await nextTurn();
  assert.deepEqual(waiting(), [[record.jobId, 'EMFILE']]);
  await nextTurn();
  assert.deepEqual(waiting(), [[record.jobId, 'EIO']], 'told of as long as it waits');
  assert.equal((await written).step, 1);
  assert.deepEqual([attempts, waiting()], [['EMFILE', 'EIO', 'written'], []]);
  assert.equal(record.checkpoints.length, 1);
});

test('waiting writes keep their order, later ones wait behind them, and their number is bounded', async () => {
  const writes = new OrderedWrites(room);
  const order: number[] = [];
  const run = (number: number, bytes = 10) =>
    writes.run(bytes, async () => {
      order.push(number);
    });
  disk.freeBytes = essentialReserveBytes + 10;
  await run(1);
  const second = run(2, 11);
  disk.freeBytes = essentialReserveBytes + 10;
  const third = run(3);
  writes.retry();
  assert.deepEqual(order, [1], 'there is room for the third, but not its turn');
  disk.freeBytes = essentialReserveBytes + 1_000;
  await Promise.all([run(4), second, third]);
  assert.deepEqual(order, [1, 2, 3, 4]);
  disk.freeBytes = 0;
  const waiting = Array.from({ length: 10_000 }, (_, i) => run(i));
  await assert.rejects(run(10_000), { code: 'DISK_FULL' });
  disk.freeBytes = 1e12;
  writes.retry();
  await Promise.all(waiting);
});

async function openBook(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  const limits = { unfinishedJobs: 10, unfinishedJobsPerClient: 10, jobBytes: 2 ** 30, watchers: 10, endedJobs: 10 };
  const store = await JobStore.open(join(directory, 'jobs.lmdb'), { room });
  t.after(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });
  return { store, book: new JobBook(store, limits, silentLogger, () => undefined) };
}

test('after the end of writes, a write that cannot be made is refused at once', async () => {
  const writes = new OrderedWrites(room);
  disk.freeBytes = 0;
  writes.end();
  await assert.rejects(
    writes.run(1, async () => assert.fail('written')),
    { code: 'DISK_FULL' },
  );
  disk.freeBytes = 1e12;
  assert.equal(await writes.run(1, async () => 'written'), 'written');
});

test("while the disk is full a job's changes are shown from memory, and written when there is room", async (t) => {
  disk.freeBytes = 1e12;
  const { book, store } = await openBook(t);
  const { record } = await book.submit({ job: readJob(specText()) }, 1);
  const { jobId } = record;
  disk.freeBytes = 0;
  await assert.rejects(book.submit({ job: readJob(specText()), idempotencyKey: 'key' }, 2), {
    code: 'DISK_FULL',
    message: /not taken/,
  });
  record.state = 'cancelled';
  book.append(record, 3, { kind: 'stateChanged', state: 'cancelled', reason: 'by request' });
  await assert.rejects(book.save(record), { code: 'DISK_FULL' });
  assert.deepEqual([book.record(jobId).state, store.record(jobId)?.state], ['cancelled', 'queued']);
  assert.equal(book.isOver(jobId), false, 'a watcher waits for its last event');
  book.retry();
  assert.equal(store.record(jobId)?.state, 'queued', 'still no room');
  disk.freeBytes = 1e12;
  const told = new Promise<void>((resolve) => void book.watch(jobId, resolve));
  book.retry();
  await told;
  assert.deepEqual([store.record(jobId)?.state, book.isOver(jobId)], ['cancelled', true]);
  const { isNew } = await book.submit({ job: readJob(specText()), idempotencyKey: 'key' }, 4);
  assert.equal(isNew, true, 'the refused submit left no key behind');
});

test('shard hashes that found no room are written with the next ones', async (t) => {
  disk.freeBytes = 1e12;
  const { book } = await openBook(t);
  const { record } = await book.submit({ job: readJob(specText()) }, 1);
  const ledger = book.ledger(record.jobId);
  const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  ledger.add(0, 0, 1, first);
  ledger.endStep(0);
  disk.freeBytes = reserveBytes;
  await assert.rejects(ledger.write(), { code: 'DISK_FULL' });
  disk.freeBytes = 1e12;
  ledger.add(1, 0, 1, second);
  ledger.endStep(1);
  await ledger.write();
  assert.equal(book.shardHash(record.jobId, 0, 0), first.toString('hex'));
  assert.equal(book.shardHash(record.jobId, 1, 0), second.toString('hex'));
});
