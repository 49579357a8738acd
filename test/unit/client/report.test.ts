// The report as one HTML file: whole for every kind of job, self-contained, and safe whatever a job's words are.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { historyOf } from '../../../client/history.ts';
import type { Job, JobEvent } from '../../../client/records.ts';
import { readReportAssets } from '../../../client/report/report-assets.ts';
import { type ReportAssets, renderReport } from '../../../client/report/report-page.ts';
import type { Chart } from '../../../shared/job-charts.ts';
import { assertGolden } from '../../support/golden.ts';
import { assertSelfContained, embedded, markupOf } from '../../support/report-file.ts';
import { sampleEvaluation, sampleEvents, sampleJob } from '../../support/sample-job.ts';

const report = async (job: Job = sampleJob(), events: readonly JobEvent[] = sampleEvents(), assets?: ReportAssets) =>
  renderReport(
    { job, history: historyOf(events), version: '1.2.3', writtenAt: new Date('2026-11-24T05:00:00Z') },
    assets ?? (await readReportAssets()),
  );

test('a report reads as it did', async () => {
  const few = sampleEvents().filter(({ kind, sequence }) => kind !== 'metaStep' || sequence < 6);
  assertGolden('report', markupOf(await report(sampleJob(), few, { script: '1', style: '2' })));
});

test('it needs nothing but itself, and its data is the job', async () => {
  const page = await report();
  assertSelfContained(page);
  const { job, metaSteps, story } = embedded<{ job: Job; metaSteps: unknown; story: unknown[] }>(page, 'report-data');
  const history = historyOf(sampleEvents());
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
  assert.deepEqual([job, metaSteps, story], plain([sampleJob(), history.metaSteps, history.story]));
});

test('every chart has its place, its data and a table', async () => {
  const page = await report();
  const charts = embedded<Chart[]>(page, 'charts');
  assert.deepEqual(
    charts.map(({ id }) => id),
    [...['training-loss', 'meta-gradient-norm', 'tasks-per-second', 'adaptation-loss', 'evaluation-loss']],
  );
  const figures = markupOf(page).match(/<figure>[\s\S]*?<\/figure>/g) ?? [];
  assert.equal(figures.length, charts.length);
  for (const { id, series } of charts) {
    const figure = figures.find((text) => text.includes(`data-chart="${id}"`));
    assert.ok(figure, id);
    const rows = figure.split('<tr>').length - 2;
    assert.equal(rows, new Set(series.flatMap(({ points }) => points.map(({ x }) => x))).size);
  }
});

test("the script and the style that may run are the page's own, by their hash", async () => {
  const page = await report();
  const [, policy = ''] = /Content-Security-Policy" content="([^"]*)"/.exec(page) ?? [];
  const bodies = [...page.matchAll(/<(?:script|style)>([\s\S]*?)<\/(?:script|style)>/g)];
  assert.equal(bodies.length, 2);
  for (const [, body = ''] of bodies) {
    const hash = createHash('sha256').update(body).digest('base64');
    assert.ok(policy.includes(`sha256-${hash}`), body.slice(0, 60));
  }
});

const attack = `</script><script>alert(1)</script><img src=x onerror="alert('2')">&amp; "quoted"`;

test('no word of a job, of an event or of a worker becomes markup or ends a script', async () => {
  const { spec } = sampleJob();
  const job = sampleJob({
    name: attack,
    state: 'FAILED',
    error: { code: 'SHARD_FAILED', message: attack },
    engineFingerprint: attack,
    spec: {
      ...spec,
      name: attack,
      published: { ...spec.published!, source: attack, differences: [attack] },
    },
    overrides: [attack],
    verdict: { outcome: 'reached', text: attack, differences: [attack], obstacles: [] },
  });
  const events = sampleEvents().map((event): JobEvent => {
    if (event.kind === 'stateChanged') return { ...event, reason: attack };
    if (event.kind === 'shardRetried')
      return { ...event, retried: { ...event.retried, workerId: attack, reason: attack } };
    return event;
  });
  const page = await report(job, events);
  assertSelfContained(page.replaceAll(/(src|onerror)=(x|&quot;)/g, ''));
  assert.doesNotMatch(markupOf(page), /<img|alert\(1\)<\/script>/);
  assert.equal(embedded<{ job: Job }>(page, 'report-data').job.name, attack, 'what is kept is what it was');
});

const states: readonly (readonly [what: string, job: Partial<Job>, says: readonly RegExp[]])[] = [
  [
    'a job that failed before its first meta-step',
    {
      state: 'FAILED',
      steps: 0,
      paramsSha256: '',
      evaluations: [],
      checkpoints: [],
      error: { code: 'RESULT_NOT_FINITE', message: 'not finite' },
    },
    [
      /class="state bad">failed/,
      /RESULT_NOT_FINITE<\/strong>: not finite/,
      /before its first evaluation/,
      /No meta-step has been applied\./,
      /None is kept/,
      /none yet/,
    ],
  ],
  [
    'a job that waits',
    { state: 'QUEUED', steps: 0, paramsSha256: '', evaluations: [], checkpoints: [], engineFingerprint: '' },
    [/no evaluation yet/, /No meta-step has been applied yet\./, /not chosen yet/],
  ],
];

for (const [what, changes, says] of states) {
  test(`${what} has a report`, async () => {
    const { startedAt: _, endedAt: ended, ...waiting } = sampleJob(changes);
    const job = changes.state === 'QUEUED' ? waiting : { ...waiting, endedAt: ended! };
    const page = await report(job, []);
    assertSelfContained(page);
    for (const words of says) assert.match(page, words);
    assert.deepEqual(embedded(page, 'charts'), []);
  });
}

test('a job that goes on has no verdict, and no word of one', async () => {
  const { endedAt: _, ...running } = sampleJob({ state: 'RUNNING' });
  const page = await report(running);
  assert.match(page, /<p class="verdict neutral">No verdict before the job has succeeded/);
  assert.doesNotMatch(page, /ours is|Published figure reached/);
  assert.match(await report(), /<p class="verdict good">Published figure reached/);
});

test('an evaluation that is not finite leaves a gap in the curves, and no other inner step takes its place', async () => {
  const { evaluations } = sampleJob();
  const broken = sampleEvaluation(30_000, [3, 0.7, 1e12, Number.POSITIVE_INFINITY, Number.NaN, Number.NaN]);
  const page = await report(sampleJob({ evaluations: [...evaluations, broken] }));
  const charts = embedded<Chart[]>(page, 'charts');
  const mainOf = (id: string) => charts.find((chart) => chart.id === id)?.series[0]?.points.map(({ x, y }) => [x, y]);
  assert.deepEqual(mainOf('evaluation-loss'), [
    [10_000, 0.46],
    [20_000, 0.36],
  ]);
  assert.deepEqual(mainOf('adaptation-loss'), [
    [0, 3],
    [1, 0.7],
    [2, 1e12],
  ]);
});
