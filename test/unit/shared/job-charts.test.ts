// What charts are made of, where it is more than a choice of curves.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { chartsOf, headingOf, movingMedian, type ReportedEvaluation, xText } from '../../../shared/job-charts.ts';
import { type MeasureHead, measureOf } from '../../../shared/measures.ts';

test('a moving median is the median of the fortieth of all points to either side', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.double({ noNaN: true }), fc.integer({ min: 0, max: 3 })), { maxLength: 130 }),
      (ys) => {
        const reach = Math.ceil(ys.length / 40);
        const medians = ys.map((_, i) => {
          const around = ys.slice(Math.max(0, i - reach), i + reach + 1).sort((a, b) => a - b);
          return { x: 7 * i, y: around[Math.floor(around.length / 2)]! + 0 };
        });
        const found = movingMedian(ys.map((y, i) => ({ x: 7 * i, y, halfWidth95: 1 })));
        assert.deepEqual(
          found.map(({ x, y }) => ({ x, y: y + 0 })),
          medians,
        );
      },
    ),
  );
});

const evaluationOf = (step: number, head: MeasureHead, means: readonly number[]): ReportedEvaluation => ({
  step,
  protocol: { split: 'test', tasks: 600 },
  measures: [
    measureOf(
      head,
      means.map((mean) => ({ mean, halfWidth95: 0.1 })),
    ),
  ],
});

test('a measure along named points is drawn point by point, in their order, with figures of points that the job lacks', () => {
  const head = { name: 'accuracy', axis: 'domain', points: ['birds', 'fungi'], better: 'higher', unit: '%' } as const;
  const published = { source: 's', measure: 'accuracy', at: { fungi: { mean: 0.5 }, signs: { mean: 0.25 } } };
  const [chart, ...others] = chartsOf({
    metaSteps: [],
    evaluations: [evaluationOf(10, head, [0.75, 0.5])],
    published: { ...published, protocol: {}, differences: [] },
  });
  assert.ok(chart);
  assert.deepEqual([headingOf(chart), others], ['Adaptation: accuracy by domain, %', []]);
  assert.deepEqual(
    chart.series.map(({ role, points }) => [role, points.map(({ x, y }) => [xText(chart, x), y])]),
    [
      [
        'main',
        [
          ['birds', 75],
          ['fungi', 50],
        ],
      ],
      [
        'published',
        [
          ['fungi', 50],
          ['signs', 25],
        ],
      ],
    ],
  );
});

test('each of several kinds has a curve of its own, with a title that tells which', () => {
  const head = { name: 'accuracy', axis: 'domain', points: ['birds', 'fungi'], better: 'higher', unit: '%' } as const;
  const evaluations = [10, 20].map((step) => evaluationOf(step, head, [0.75, 0.5]));
  const titles = chartsOf({ metaSteps: [], evaluations }).map(({ title }) => title);
  assert.deepEqual(titles, ['Adaptation: accuracy', 'Evaluation: accuracy, birds', 'Evaluation: accuracy, fungi']);
});

test('a measure along kinds is bars, and along named places a curve; one that is neither better has no curve of its ends', () => {
  const evaluations = (points: readonly string[]) =>
    [10, 20].map((step) =>
      evaluationOf(step, { name: 'movement', axis: 'layer', points, better: 'neither' }, [0.01, 0.4]),
    );
  const ofPoints = (points: readonly string[]) =>
    chartsOf({ metaSteps: [], evaluations: evaluations(points), published: undefined });
  const [bars, ...others] = ofPoints(['conv1', 'linear']);
  assert.deepEqual([bars!.id, bars!.isOfKinds, bars!.scale, others], ['adaptation-movement', true, 'linear', []]);
  assert.equal(ofPoints(['0 %', '50 %'])[0]!.isOfKinds, undefined);
  assert.equal(ofPoints(['1st', '2nd'])[0]!.isOfKinds, undefined);
});

test('a measure without an axis is a curve over meta-steps alone', () => {
  const head = { name: 'return', axis: '', points: [''], better: 'higher' } as const;
  const charts = (steps: readonly number[]) =>
    chartsOf({
      metaSteps: [],
      evaluations: steps.map((step) => evaluationOf(step, head, [step])),
      published: undefined,
    });
  assert.deepEqual(charts([10]), []);
  const [chart, ...others] = charts([10, 20]);
  assert.ok(chart);
  assert.deepEqual(
    [chart.id, headingOf(chart), chart.about, others],
    ['evaluation-return', 'Evaluation: return by meta-step', 'mean over 600 test tasks ± 95 %', []],
  );
  assert.deepEqual(
    chart.series[0]!.points.map(({ x, y }) => [x, y]),
    [
      [10, 10],
      [20, 20],
    ],
  );
});
