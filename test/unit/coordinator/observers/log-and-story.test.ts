// What the log and a job's story make of happenings: the runner knows neither.
import assert from 'node:assert/strict';
import test from 'node:test';
import pino from 'pino';
import type { Happening, Observer } from '../../../../coordinator/observers/happenings.ts';
import { jobStory } from '../../../../coordinator/observers/job-story.ts';
import { logLines } from '../../../../coordinator/observers/log-lines.ts';
import type { CheckpointRecord, JobEventBody } from '../../../../coordinator/store/job-record.ts';
import type { WorkerLink } from '../../../../coordinator/workers/worker-link.ts';
import { CoreDriver } from '../../../support/core-driver.ts';
import { sampleRecord } from '../../../support/sample-events.ts';

const at = 1_800_000_000_000;
const record = sampleRecord;
const { jobId } = record;

function leaseOfShard() {
  const core = new CoreDriver();
  core.submit(jobId);
  core.connect('ann');
  const [lease] = core.leases;
  assert.ok(lease);
  return lease;
}

const checkpoint = (purpose: CheckpointRecord['purpose']): CheckpointRecord => ({
  step: 5,
  sha256: 'ab'.repeat(32),
  bytes: 1,
  paramsSha256: 'cd'.repeat(32),
  purpose,
});

/** The story of what `happen` reports. */
function storyOf(happen: (observer: Required<Pick<Observer, keyof ReturnType<typeof jobStory>>>) => void) {
  const story: JobEventBody[] = [];
  const observer = jobStory((told, toldAt, body) => {
    assert.deepEqual([told, toldAt], [record, at], 'with the record and the time of the happening');
    story.push(body);
  });
  happen(observer as Required<Observer>);
  return story;
}

test('the story has states, waits, comparisons and a given-up job as one kind of event, in order', () => {
  const failure = { code: 'SHARD_FAILED', message: 'it failed' } as const;
  const story = storyOf((observer) => {
    observer.jobStateChanged({ at, record, state: 'running', reason: 'its first shard was leased' });
    observer.jobWaits({ at, record, reason: 'waits: no worker is connected' });
    observer.chainCompared({ at, record, metaStep: 7, finding: 'meta-step 7: the same bytes' });
    observer.jobStateChanged({ at, record, state: 'failed', reason: 'it failed', failure });
    observer.jobGivenUp({ at, record, failure: { code: 'CHECKPOINT_CORRUPT', message: 'none is good' } });
  });
  const corrupt = { code: 'CHECKPOINT_CORRUPT', message: 'none is good' };
  assert.deepEqual(story, [
    { kind: 'stateChanged', state: 'running', reason: 'its first shard was leased' },
    { kind: 'stateChanged', state: record.state, reason: 'waits: no worker is connected' },
    { kind: 'stateChanged', state: record.state, reason: 'meta-step 7: the same bytes' },
    { kind: 'stateChanged', state: 'failed', reason: 'it failed', error: failure },
    { kind: 'stateChanged', state: 'failed', reason: 'none is good', error: corrupt },
  ]);
});

test('a shard that is retried is named in the story with the worker that had it', () => {
  const lease = leaseOfShard();
  const story = storyOf((observer) =>
    observer.shardRetried({ at, record, lease, cause: 'workerLost', reason: 'gone' }),
  );
  assert.deepEqual(story, [{ kind: 'shardRetried', metaStep: 0, shard: 0, workerId: 'ann', reason: 'gone' }]);
});

test('the story has the requested checkpoints and no recovery checkpoint', () => {
  const story = storyOf((observer) => {
    for (const purpose of ['scheduled', 'recovery', 'final'] as const) {
      observer.checkpointWritten({ at, record, checkpoint: checkpoint(purpose), writeMs: 1 });
    }
  });
  assert.deepEqual(story, [
    { kind: 'checkpointWritten', checkpoint: checkpoint('scheduled') },
    { kind: 'checkpointWritten', checkpoint: checkpoint('final') },
  ]);
});

/** The lines that `happen` leads to in a log of this level. */
function linesAt(level: 'info' | 'debug', happen: (observer: Observer) => void): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level, base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  happen(logLines(log));
  return lines.map(({ time: _, ...line }) => line);
}

test('a line of the log names the job, the shard, the lease and the worker', () => {
  const lease = leaseOfShard();
  const reason = 'the stream was lost';
  const link = { workerId: 'ann' } as WorkerLink;
  const lines = linesAt('info', (observer) => {
    observer.workerDisconnected?.({ at, link, reason });
    observer.shardRetried?.({ at, record, lease, cause: 'workerLost', reason });
    const late = { workerId: 'ann', leaseId: 's-1', lease: undefined };
    observer.shardFailed?.({ at, ...late, code: 'INTERNAL', reason: 'no' });
    observer.shardFailed?.({ at, ...late, lease, code: 'INTERNAL', reason: 'no' });
  });
  const where = { jobId, work: 'initialize', metaStep: 0, shard: 0, leaseId: 's-1' };
  const failed = { workerId: 'ann', code: 'INTERNAL', reason: 'no', msg: 'a shard failed' };
  assert.deepEqual(lines, [
    { level: 30, workerId: 'ann', reason, msg: 'worker disconnected' },
    { level: 40, jobId, metaStep: 0, shard: 0, workerId: 'ann', reason, msg: 'shard goes to another worker' },
    { level: 40, leaseId: 's-1', ...failed },
    { level: 40, ...where, ...failed },
  ]);
});

test('events of single shards are logged at debug level only, and otherwise have no subscriber', () => {
  const lease = leaseOfShard();
  const kept: Happening<'resultKept'> = { at, lease, computeMs: 3, payloadBytes: 8, keepMs: 1 };
  const lines = linesAt('debug', (observer) => observer.resultKept?.(kept));
  assert.deepEqual(
    lines.map(({ msg, leaseId, computeMs }) => [msg, leaseId, computeMs]),
    [['a result counts', 's-1', 3]],
  );
  linesAt('info', (observer) =>
    assert.deepEqual([observer.resultKept, observer.resultDropped], [undefined, undefined]),
  );
});
