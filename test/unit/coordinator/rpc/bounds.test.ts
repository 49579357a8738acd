// What is kept of a job fits a message of gRPC, whatever its workers said and however much it
// evaluated; and so does every page.

import assert from 'node:assert/strict';
import test from 'node:test';
import { fillPage } from '../../../../coordinator/jobs/page.ts';
import { eventMessage, jobMessage, summaryMessage } from '../../../../coordinator/rpc/job-messages.ts';
import { toServiceError } from '../../../../coordinator/rpc/status.ts';
import {
  boundBody,
  type EvaluationRecord,
  failureRecord,
  type JobRecord,
} from '../../../../coordinator/store/job-record.ts';
import { keptEvaluations } from '../../../../coordinator/store/thinning.ts';
import { MetatrainError } from '../../../../shared/errors.ts';
import { maxReasonBytes } from '../../../../shared/foreign-text.ts';
import { silentLogger } from '../../../../shared/log.ts';
import { noWords } from '../../../../shared/protocol.ts';
import { JobService, maxMessageBytes } from '../../../../shared/wire.ts';
import { accuracyMeasure, lossMeasure } from '../../../support/measures.ts';

const endless = '日'.repeat(2_000_000);

function evaluation(step: number, innerSteps: number): EvaluationRecord {
  const estimates = Array.from({ length: innerSteps + 1 }, (_, i) => ({ mean: step + i, halfWidth95: Math.PI }));
  const protocol = {
    distribution: 'omniglot',
    split: 'test',
    tasks: 600,
    ways: 5,
    shots: 1,
    queries: 15,
    transductive: true,
    splitDescription: 's'.repeat(1_024),
  };
  return { step, protocol, measures: [lossMeasure(estimates), accuracyMeasure(estimates)], divergedTasks: 0 };
}

const evaluations = (count: number, innerSteps: number) => {
  let kept: EvaluationRecord[] = [];
  for (let step = 1; step <= count; step += 1) kept = keptEvaluations([...kept, evaluation(step, innerSteps)]);
  return kept;
};

const largest = (): JobRecord => ({
  jobId: '0123456789abcdef',
  order: 1,
  name: 'n'.repeat(100),
  spec: JSON.stringify('x'.repeat(400_000)),
  words: noWords,
  submittedAt: 1,
  state: 'failed',
  startedAt: 1,
  endedAt: 1,
  steps: 1_000,
  iterations: 1_000,
  paramsSha256: 'a'.repeat(64),
  evaluations: evaluations(1_000, 1_000),
  checkpoints: Array.from({ length: 1_000 }, (_, step) => ({
    step,
    sha256: 'a'.repeat(64),
    bytes: 2 ** 40,
    paramsSha256: 'b'.repeat(64),
    purpose: 'scheduled',
  })),
  error: failureRecord({ code: 'SHARD_FAILED', message: endless }),
  lastMetaStep: undefined,
  engineFingerprint: 'f'.repeat(400),
  hasMixedFingerprints: true,
  skippedTasks: 1,
  skippedShards: Array.from({ length: 200 }, (_, shard) => ({
    metaStep: 2 ** 40,
    shard,
    count: 1_000_000,
    tasks: Array.from({ length: 100 }, () => 2 ** 40),
  })),
  splitDescription: 's',
  isTransductive: true,
});

const { GetJob, ListJobs, WatchJob } = JobService.service;

test('GetJob fits a message for the largest possible record', () => {
  const bytes = GetJob.responseSerialize(jobMessage(largest())).byteLength;
  assert.ok(bytes < maxMessageBytes / 2, `${bytes} bytes`);
});

test('a list of the largest records has summaries of a few kB each', () => {
  const bytes = ListJobs.responseSerialize({ jobs: [summaryMessage(largest())] }).byteLength;
  assert.ok(bytes < 10_000, `${bytes} bytes`);
});

test('events with endless texts are bounded, and fit a message', () => {
  const error = { code: 'SHARD_FAILED', message: endless } as const;
  const bodies = [
    { kind: 'stateChanged', state: 'failed', reason: endless, error },
    { kind: 'shardRetried', metaStep: 1, shard: 1, workerId: 'w', reason: endless },
    { kind: 'evaluated', evaluation: evaluation(1, 1_000) },
  ] as const;
  for (const body of bodies) {
    const message = eventMessage('j', { sequence: 1, at: 1, body: boundBody(body) });
    const bytes = WatchJob.responseSerialize(message).byteLength;
    assert.ok(bytes < 100_000, `${body.kind}: ${bytes} bytes`);
  }
});

test('evaluations of few inner steps are all kept, up to 200', () => {
  assert.deepEqual(
    evaluations(200, 10).map(({ step }) => step),
    Array.from({ length: 200 }, (_, i) => i + 1),
  );
  assert.equal(evaluations(500, 10).length, 200);
});

test('of evaluations with many inner steps the first, the newest and some evenly between are kept, each whole', () => {
  const kept = evaluations(210, 1_000);
  const steps = kept.map(({ step }) => step);
  assert.deepEqual([steps[0], steps.at(-1)], [1, 210]);
  assert.ok(steps.length >= 4, `${steps}`);
  for (const { measures } of kept) assert.equal(measures[0]?.estimates.length, 1_001);
  const gaps = steps.slice(1).map((step, i) => step - steps[i]!);
  assert.ok(Math.max(...gaps) <= 0.6 * 210, `no part of the job is left out: ${steps}`);
});

test('the newest evaluation is kept even if it alone exceeds the limit of estimates', () => {
  const kept = keptEvaluations([evaluation(1, 10), evaluation(2, 20_000)]);
  assert.deepEqual(
    kept.map(({ step }) => step),
    [2],
  );
});

test('a page ends at its count and at its bytes, and one large item is a page of its own', () => {
  const bytesOf = (bytes: number) => bytes;
  assert.deepEqual(fillPage([1, 2, 3], 2, bytesOf), { items: [1, 2], hasMore: true });
  assert.deepEqual(fillPage([1, 2], 2, bytesOf), { items: [1, 2], hasMore: false });
  assert.deepEqual(fillPage([600_000, 600_000], 2, bytesOf), { items: [600_000], hasMore: true });
  assert.deepEqual(fillPage([5_000_000, 1], 2, bytesOf), { items: [5_000_000], hasMore: true });
  assert.deepEqual(fillPage([], 2, bytesOf), { items: [], hasMore: false });
});

test('a status message fits a header even if each character takes nine bytes', () => {
  for (const message of [endless, `${'a'.repeat(100)}\ud800`, 'x'.repeat(1_000_000)]) {
    const { details } = toServiceError(new MetatrainError('SHARD_FAILED', message), silentLogger);
    assert.ok(encodeURI(details).length <= 8_000, `${encodeURI(details).length} bytes`);
  }
  const short = 'a short one: 日本';
  assert.equal(toServiceError(new MetatrainError('SHARD_FAILED', short), silentLogger).details, short);
});

test('a reason that the coordinator composes is bounded', () => {
  assert.ok(Buffer.byteLength(failureRecord({ code: 'INTERNAL', message: endless }).message) <= maxReasonBytes);
});
