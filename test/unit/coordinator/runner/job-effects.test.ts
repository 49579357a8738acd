// The order in which a job's happenings are reported and its record is written: what a watcher or a
// restart relies on.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Checkpointing } from '../../../../coordinator/jobs/checkpointing.ts';
import { JobBook } from '../../../../coordinator/jobs/job-book.ts';
import type { Observer } from '../../../../coordinator/observers/happenings.ts';
import { jobStory } from '../../../../coordinator/observers/job-story.ts';
import { type JobAnswer, JobEffects } from '../../../../coordinator/runner/job-effects.ts';
import { JobStore } from '../../../../coordinator/store/job-store.ts';
import { readJob } from '../../../../learning/job-file.ts';
import { realClock } from '../../../../shared/clock.ts';
import { MetatrainError } from '../../../../shared/errors.ts';
import { silentLogger } from '../../../../shared/log.ts';
import { everyone } from '../../../../shared/observers.ts';
import { specText } from '../../../integration/coordinator/cluster.ts';

const limits = { unfinishedJobs: 10, unfinishedJobsPerClient: 10, jobBytes: 2 ** 30, watchers: 10, endedJobs: 10 };

/** An open job, over a real book and database. */
async function openJob(t: TestContext, observer: (book: JobBook) => Observer = () => ({})) {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  const store = await JobStore.open(join(directory, 'jobs.lmdb'));
  t.after(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });
  const book = new JobBook(store, limits, silentLogger, () => undefined);
  const job = readJob(specText());
  const { record } = await book.submit({ job }, 1);
  const answers: JobAnswer[] = [];
  const ended: string[] = [];
  const story = jobStory((told, at, body) => book.append(told, at, body));
  const effects = new JobEffects({
    book,
    checkpointing: {} as Checkpointing,
    clock: realClock,
    observer: everyone([story, observer(book)]),
    answer: (answer) => answers.push(answer),
    onEnded: (jobId) => ended.push(jobId),
  });
  effects.open(record, job, { training: undefined, draws: undefined }, false);
  return { store, book, record, effects, answers, ended };
}

test('watchers see the end of a job only after its last event can be read', async (t) => {
  const seen: string[] = [];
  const { book, record, effects, ended } = await openJob(t, (book) => ({
    // The happening comes before the save: the book does not count the job as over yet.
    jobStateChanged: ({ record: { jobId }, state }) => seen.push(`${state}: over ${book.isOver(jobId)}`),
  }));
  const { jobId } = record;
  const notified = new Promise<boolean>((resolve) => {
    const end = book.watch(jobId, () => {
      end();
      resolve(book.isOver(jobId));
    });
  });
  effects.changeState({ kind: 'changeJobState', jobId, state: 'cancelled', reason: 'cancelled by request' });
  assert.deepEqual(seen, ['cancelled: over false']);
  assert.equal(book.isOver(jobId), false, 'its last event is not on the disk yet');
  assert.equal(await notified, true);
  const { events } = book.eventsAfter(jobId, 0);
  assert.deepEqual(
    events.map(({ body }) => body),
    [{ kind: 'stateChanged', state: 'cancelled', reason: 'cancelled by request' }],
  );
  assert.deepEqual(ended, [jobId]);
  assert.equal(effects.live.size, 0);
});

test('when giving up a job resolves, its failure and the event are on the disk', async (t) => {
  const { store, book, record, effects } = await openJob(t);
  await effects.giveUp(record, new MetatrainError('CHECKPOINT_CORRUPT', 'none is good'));
  const stored = store.record(record.jobId);
  assert.deepEqual([stored?.state, stored?.error?.code], ['failed', 'CHECKPOINT_CORRUPT']);
  const [event] = book.eventsAfter(record.jobId, 0).events;
  const error = { code: 'CHECKPOINT_CORRUPT', message: 'none is good' };
  assert.deepEqual(event?.body, { kind: 'stateChanged', state: 'failed', reason: 'none is good', error });
});

test('a checkpoint that cannot be written fails the job only if it is the final one', async (t) => {
  const failed: string[] = [];
  const { record, effects, answers } = await openJob(t, () => ({
    checkpointFailed: ({ metaStep, reason }) => failed.push(`${metaStep}: ${reason}`),
  }));
  const { jobId } = record;
  await effects.writeCheckpoint({ kind: 'writeCheckpoint', jobId, step: 0, purpose: 'scheduled' });
  assert.equal(answers.length, 0);
  await effects.writeCheckpoint({ kind: 'writeCheckpoint', jobId, step: 0, purpose: 'final' });
  assert.deepEqual(
    answers.map(({ kind }) => kind),
    ['jobBroken'],
  );
  const [first, second] = failed;
  assert.match(first ?? '', /^0: .*no meta-parameters/);
  assert.equal(second, first);
});
