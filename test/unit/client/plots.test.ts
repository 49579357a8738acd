// Curves in a terminal: whole pictures against golden files, and what must hold at every width.
import assert from 'node:assert/strict';
import test from 'node:test';
import { renderJobPlots } from '../../../client/cli/render/job-plots.ts';
import { renderPlot } from '../../../client/cli/render/plot.ts';
import { styleFor, widthOf } from '../../../client/cli/render/text.ts';
import { historyOf } from '../../../client/history.ts';
import { assertGolden } from '../../support/golden.ts';
import { trainValues } from '../../support/measures.ts';
import { sampleEvaluation, sampleEvents, sampleJob, sampleSummary } from '../../support/sample-job.ts';

const history = historyOf(sampleEvents());
const unicode = { width: 100, characters: 'unicode' } as const;
const ascii = { width: 72, characters: 'ascii' } as const;

test("a job's curves look as they did", () => {
  assertGolden('job-plots-unicode', `${renderJobPlots(sampleJob(), history, unicode)}\n`);
  assertGolden('job-plots-ascii', `${renderJobPlots(sampleJob(), history, ascii)}\n`);
});

test('a classification shows accuracies in per cent, the published figure beside them', () => {
  const { published } = sampleJob().spec;
  const spec = {
    ...sampleJob().spec,
    published: { ...published!, measure: 'accuracy', at: { 2: { mean: 0.98, halfWidth95: 0.004 } } } as const,
  };
  const evaluations = [sampleEvaluation(20, [1.6, 0.5, 0.3], [0.2, 0.8, 0.93])];
  const metaSteps = [1, 2, 3].map((step) => sampleSummary(step, { measures: trainValues(1 / step, step / 4) }));
  assertGolden(
    'job-plots-accuracy',
    `${renderJobPlots(sampleJob({ spec, evaluations }), { metaSteps, story: [] }, { ...unicode, width: 60 })}\n`,
  );
});

test('no line is longer than the terminal is wide, with colour or without, and ASCII is only that', () => {
  for (let width = 24; width <= 140; width += 1) {
    for (const characters of ['unicode', 'ascii'] as const) {
      for (const style of [styleFor(false), styleFor(true)]) {
        const text = renderJobPlots(sampleJob(), history, { width, characters, style });
        for (const line of text.split('\n')) assert.ok(widthOf(line) <= width, `${widthOf(line)} of ${width}: ${line}`);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII with the escapes of colour.
        if (characters === 'ascii') assert.match(text, /^[\x00-\x7f]*$/);
      }
    }
  }
});

test('a job without curves says why, and a failed one what happened', () => {
  const nothing = historyOf([]);
  const text = (changes: Parameters<typeof sampleJob>[0]) =>
    renderJobPlots(sampleJob({ evaluations: [], ...changes }), nothing, unicode)
      .split('\n\n')
      .slice(1)
      .join('\n');
  assert.equal(text({ state: 'QUEUED' }), 'No curves yet: the job is queued, and no meta-step has been reported.');
  const error = { code: 'RESULT_NOT_FINITE', message: 'the meta-gradient is not finite' };
  assert.equal(
    text({ state: 'FAILED', error }),
    'error  the meta-gradient is not finite\nNo curves: the job ended (failed) before its first meta-step was reported.',
  );
});

const rowsOf = (text: string) => text.split('\n').slice(2, -2);

test('a curve goes where its values are: up is more, right is later', () => {
  const line = Array.from({ length: 100 }, (_, x) => ({ x, y: x }));
  const rows = rowsOf(renderPlot({ title: 'rising', note: '', line }, { ...ascii, width: 40 }));
  const firstOf = (row: string) => row.slice(row.search(/[|+]/) + 1).search(/['.:]/);
  const starts = rows.map(firstOf);
  assert.deepEqual(
    starts,
    [...starts].sort((a, b) => b - a),
    `not falling to the left:\n${rows.join('\n')}`,
  );
  assert.ok(starts.every((start) => start >= 0));
});

test('one value, equal values, values that are not finite and intervals below zero on a logarithmic axis all have a picture', () => {
  const draw = (line: readonly { x: number; y: number; halfWidth?: number }[], scale?: 'log') =>
    rowsOf(renderPlot({ title: 'odd', note: '', line, isMarked: true, ...(scale && { scale }) }, ascii)).join('\n');
  const marks = (text: string) => text.split('o').length - 1;
  assert.equal(marks(draw([{ x: 5, y: 3 }])), 1);
  assert.equal(marks(draw([1, 2, 3].map((x) => ({ x, y: 0 })))), 3);
  assert.equal(
    marks(
      draw([
        { x: 1, y: Number.NaN },
        { x: 2, y: Number.POSITIVE_INFINITY },
        { x: 3, y: 1 },
      ]),
    ),
    1,
  );
  const below = draw(
    [
      { x: 0, y: 10 },
      { x: 1, y: 0.1, halfWidth: 0.5 },
      { x: 2, y: 1 },
    ],
    'log',
  );
  assert.equal(marks(below), 3);
  assert.doesNotMatch(below, /NaN|Infinity/);
});

test('kinds are bars that stand on 0, with nothing between them', () => {
  const line = [0.2, 0.4].map((y, x) => ({ x, y }));
  const pointNames = ['body', 'head'];
  const text = renderPlot({ title: 'moved', note: '', line, isOfKinds: true, pointNames, scale: 'linear' }, ascii);
  const rows = rowsOf(text).map((row) => row.slice(row.search(/[|+]/) + 1));
  const heights = (column: (row: string) => string | undefined) =>
    rows.filter((row) => /[.:']/.test(column(row) ?? ' '));
  const [body, head] = [heights((row) => row[0]).length, heights((row) => row.at(-1)).length];
  assert.ok(body >= rows.length / 2 - 1 && body <= rows.length / 2 + 1, text);
  assert.ok(
    rows.every((row) => row.slice(1, -1).trim() === ''),
    text,
  );
  assert.ok(head >= rows.length - 1, text);
  assert.match(text, /body +head$/);
});

test('one wild value among many does not move a column: it shows the median', () => {
  const line = Array.from({ length: 1_000 }, (_, x) => ({ x, y: x === 500 ? 1e9 : 1 + (x % 3) / 100 }));
  assert.doesNotMatch(renderPlot({ title: 'spike', note: '', line, scale: 'linear' }, unicode), /e9|,000,000/);
});

test('after a restart the meta-steps that are applied again replace those before', () => {
  const at = (step: number, loss: number) => ({
    sequence: 1,
    time: new Date(0),
    jobId: 'j',
    kind: 'metaStep' as const,
    summary: sampleSummary(step, { measures: trainValues(loss) }),
  });
  const { metaSteps, story } = historyOf([at(10, 5), at(20, 4), at(30, 3), at(18, 4.5), at(31, 2)]);
  assert.deepEqual(
    metaSteps.map(({ step, measures }) => [step, measures[0]?.value]),
    [
      [10, 5],
      [18, 4.5],
      [31, 2],
    ],
  );
  assert.deepEqual(story, []);
});
