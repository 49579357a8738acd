import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { JobEventBody } from '../../../coordinator/store/job-record.ts';
import { JobStore } from '../../../coordinator/store/job-store.ts';
import { lossMeasure, trainValues } from '../../support/measures.ts';
import { sampleRecord } from '../../support/sample-events.ts';

const summary = (step: number): JobEventBody => ({
  kind: 'metaStep',
  summary: {
    ...{ step, iterations: 10_000, measures: trainValues(1), metaGradientNorm: 1, learningRate: 0.1 },
    ...{ tasksPerSecond: 1, metaStepsPerSecond: 1, etaSeconds: 1 },
  },
});

test('of a long job the kept meta-step summaries cover all of it evenly, and the newest stay whole, over a restart too', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-events-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'jobs.lmdb');
  const total = 6_000;
  const record = { ...sampleRecord, jobId: 'long' };
  let stored: Promise<unknown> = Promise.resolve();
  for (const [from, to] of [
    [1, 2_500],
    [2_501, total],
  ] as const) {
    const store = await JobStore.open(path);
    for (let step = from; step <= to; step += 1) stored = store.append(record, step, summary(step)).stored;
    await stored;
    await store.close();
  }
  const store = await JobStore.open(path);
  t.after(() => store.close());
  const kept = store.eventsAfter('long', 0, total).map(({ sequence }) => sequence);
  assert.equal(kept.length, 1_000);
  assert.deepEqual([kept[0], kept.at(-1)], [1, total]);
  const gaps = kept.slice(1).map((sequence, i) => sequence - kept[i]!);
  assert.ok(
    gaps.slice(-99).every((gap) => gap === 1),
    'the newest hundred are all there',
  );
  // 5,900 over 900 is 6.6; the places that are closest give way first, so a gap is at most twice another.
  assert.ok(Math.max(...gaps) <= 16, `the widest gap is ${Math.max(...gaps)}`);
});

test('of many large evaluations the story keeps the newest that fit its limit of bytes, over a restart too', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-events-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'jobs.lmdb');
  const record = { ...sampleRecord, jobId: 'large' };
  const [evaluation] = record.evaluations;
  const estimates = Array.from({ length: 10_000 }, () => ({ mean: 0.5, halfWidth95: 0.25 }));
  const body: JobEventBody = { kind: 'evaluated', evaluation: { ...evaluation!, measures: [lossMeasure(estimates)] } };
  const counts: number[] = [];
  for (const last of [60, 120]) {
    const store = await JobStore.open(path);
    for (let sequence = last - 59; sequence <= last; sequence += 1) await store.append(record, 1, body).stored;
    const kept = store.eventsAfter('large', 0, last).map(({ sequence }) => sequence);
    assert.deepEqual(
      kept,
      Array.from({ length: kept.length }, (_, i) => last - kept.length + 1 + i),
    );
    counts.push(kept.length);
    await store.close();
  }
  const [before, after] = counts;
  assert.ok(before! > 10 && before! < 60, `${before} evaluations of 400 kB are kept`);
  assert.equal(after, before);
});
