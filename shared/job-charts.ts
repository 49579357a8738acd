// Which curves a job has, and what is on them: how training went, and what adaptation gains, with the published figures beside it. The same
// for the terminal, the report and the console, which only draw. Pure, and free of Node, so that a browser can have it too.
import { type Scale, scaleFor } from './axis.ts';
import type { Estimate, Measured, Metric } from './comparison.ts';
import type { PublishedSpec } from './job-spec/index.ts';
import { formatCount } from './numbers.ts';

export interface ChartPoint {
  readonly x: number;
  readonly y: number;
  /** Half of the 95 % interval, where there is one. */
  readonly halfWidth95?: number;
}

export interface ChartSeries {
  readonly label: string;
  /** `main` is what the chart is about; `earlier` is the same at an earlier meta-step; `published` is the source's. */
  readonly role: 'main' | 'earlier' | 'published';
  /** Ascending in x. */
  readonly points: readonly ChartPoint[];
}

export interface Chart {
  /** Stable, such as `meta-loss`. */
  readonly id: string;
  readonly title: string;
  /** What is measured, in words. */
  readonly about: string;
  readonly x: 'meta-step' | 'inner step';
  readonly unit: '' | '%';
  readonly scale: Scale;
  /** Whether every point is worth a mark: there are few, and each is a measurement of its own. */
  readonly isMarked: boolean;
  /** The main one first. */
  readonly series: readonly ChartSeries[];
}

export interface ReportedMetaStep {
  readonly step: number;
  readonly queryLoss: number;
  /** 0 to 1. */
  readonly queryAccuracy?: number;
  readonly metaGradientNorm: number;
  readonly tasksPerSecond: number;
}

export interface ReportedEvaluation extends Measured {
  readonly step: number;
  readonly protocol: { readonly split: string; readonly tasks: number; readonly innerSteps: number };
}

export interface JobCurves {
  readonly metaSteps: readonly ReportedMetaStep[];
  readonly evaluations: readonly ReportedEvaluation[];
  readonly published?: PublishedSpec | undefined;
}

/** Earlier evaluations beside the last one, at most. */
const maxEarlier = 4;

/** Such as `Query accuracy by meta-step, %`. */
export const headingOf = ({ title, x, unit }: Chart): string => `${title} by ${x}${unit ? `, ${unit}` : ''}`;

/** Over a fortieth of the points to either side. A median, since one bad meta-batch must not look like a trend. */
export function movingMedian(points: readonly ChartPoint[]): ChartPoint[] {
  const reach = Math.ceil(points.length / 40);
  const sorted: number[] = [];
  const rankOf = (y: number) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! < y) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  let entered = 0;
  return points.map(({ x }, i) => {
    for (; entered < points.length && entered <= i + reach; entered += 1) {
      const { y } = points[entered]!;
      sorted.splice(rankOf(y), 0, y);
    }
    const left = points[i - reach - 1];
    if (left) sorted.splice(rankOf(left.y), 1);
    return { x, y: sorted[sorted.length >> 1]! };
  });
}

/** Only charts that have something to show. Values that are not finite are left out. */
export function chartsOf({ metaSteps, evaluations, published }: JobCurves): Chart[] {
  const metrics: readonly Metric[] = published?.metric === 'loss' ? ['loss', 'accuracy'] : ['accuracy', 'loss'];
  return [
    ...trainingCharts(metaSteps),
    ...metrics.flatMap((metric) => adaptationChart(metric, evaluations, published)),
    ...metrics.flatMap((metric) => evaluationChart(metric, evaluations)),
  ];
}

function trainingCharts(metaSteps: readonly ReportedMetaStep[]): Chart[] {
  const chart = (
    words: Pick<Chart, 'id' | 'title' | 'about'>,
    measure: (reported: ReportedMetaStep) => number | undefined,
    shape: Partial<Pick<Chart, 'unit' | 'scale'>> = {},
  ): Chart[] => {
    const points = metaSteps.flatMap((reported) => pointAt(reported.step, measure(reported)));
    if (points.length === 0) return [];
    const scale = scaleFor(points.map(({ y }) => y));
    const series = [{ label: words.title, role: 'main', points } as const];
    return [{ ...words, x: 'meta-step', unit: '', scale, isMarked: false, series, ...shape }];
  };
  return [
    ...chart(
      { id: 'meta-loss', title: 'Meta-loss', about: 'query loss after adaptation, mean of a meta-batch' },
      ({ queryLoss }) => queryLoss,
    ),
    ...chart(
      { id: 'query-accuracy', title: 'Query accuracy', about: 'after adaptation, mean of a meta-batch' },
      ({ queryAccuracy }) => (queryAccuracy === undefined ? undefined : 100 * queryAccuracy),
      { unit: '%', scale: 'linear' },
    ),
    ...chart(
      { id: 'meta-gradient-norm', title: 'Meta-gradient norm', about: 'before clipping' },
      ({ metaGradientNorm }) => metaGradientNorm,
    ),
    ...chart(
      { id: 'tasks-per-second', title: 'Throughput', about: 'training tasks a second' },
      ({ tasksPerSecond }) => tasksPerSecond,
      { scale: 'linear' },
    ),
  ];
}

function adaptationChart(
  metric: Metric,
  evaluations: readonly ReportedEvaluation[],
  published: PublishedSpec | undefined,
): Chart[] {
  const latest = evaluations.at(-1);
  const points = latest && pointsByInnerStep(latest, metric);
  if (!latest || !points || points.length === 0) return [];
  const series: ChartSeries[] = [{ label: afterMetaSteps(latest), role: 'main', points }];
  if (published?.metric === metric) {
    const figures = Object.entries(published.byInnerStep).flatMap(([steps, { mean, halfWidth95 }]) =>
      pointAt(Number(steps), mean * factorOf(metric), halfWidth95 && halfWidth95 * factorOf(metric)),
    );
    series.push({ label: 'published', role: 'published', points: figures.sort((a, b) => a.x - b.x) });
  }
  for (const evaluation of spread(evaluations.slice(0, -1), maxEarlier)) {
    const earlier = pointsByInnerStep(evaluation, metric) ?? [];
    series.push({ label: afterMetaSteps(evaluation), role: 'earlier', points: earlier });
  }
  return [
    {
      id: `adaptation-${metric}`,
      title: `Adaptation: ${metric}`,
      about: `${describe(latest)} ± 95 %, ${afterMetaSteps(latest)}`,
      x: 'inner step',
      unit: unitOf(metric),
      scale: metric === 'accuracy' ? 'linear' : scaleFor(series.flatMap((one) => one.points.map(({ y }) => y))),
      isMarked: true,
      series,
    },
  ];
}

/** What the last inner step reaches, evaluation by evaluation; nothing before there are two. */
function evaluationChart(metric: Metric, evaluations: readonly ReportedEvaluation[]): Chart[] {
  const latest = evaluations.at(-1);
  const points = evaluations.flatMap((evaluation) => {
    const last = estimatesOf(evaluation, metric)?.at(-1);
    return last ? pointOf(evaluation.step, last, metric) : [];
  });
  if (!latest || points.length < 2) return [];
  const { innerSteps } = latest.protocol;
  return [
    {
      id: `evaluation-${metric}`,
      title: `Evaluation: ${metric}`,
      about: `${describe(latest)} ± 95 %, after ${innerSteps} inner ${innerSteps === 1 ? 'step' : 'steps'}`,
      x: 'meta-step',
      unit: unitOf(metric),
      scale: metric === 'accuracy' ? 'linear' : scaleFor(points.map(({ y }) => y)),
      isMarked: true,
      series: [
        { label: `${metric} after ${innerSteps} inner ${innerSteps === 1 ? 'step' : 'steps'}`, role: 'main', points },
      ],
    },
  ];
}

function pointsByInnerStep(evaluation: Measured, metric: Metric): ChartPoint[] | undefined {
  return estimatesOf(evaluation, metric)?.flatMap((estimate, x) => pointOf(x, estimate, metric));
}

const estimatesOf = (evaluation: Measured, metric: Metric): readonly Estimate[] | undefined =>
  metric === 'accuracy' ? evaluation.accuracyByInnerStep : evaluation.lossByInnerStep;

const pointOf = (x: number, { mean, halfWidth95 }: Estimate, metric: Metric): ChartPoint[] =>
  pointAt(x, mean * factorOf(metric), halfWidth95 * factorOf(metric));

function pointAt(x: number, y: number | undefined, halfWidth95?: number): ChartPoint[] {
  if (y === undefined || !Number.isFinite(y)) return [];
  return [halfWidth95 !== undefined && Number.isFinite(halfWidth95) ? { x, y, halfWidth95 } : { x, y }];
}

/** At most `count`, the first and the last among them, evenly chosen. */
function spread<Item>(items: readonly Item[], count: number): Item[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}

const factorOf = (metric: Metric): number => (metric === 'accuracy' ? 100 : 1);
const unitOf = (metric: Metric) => (metric === 'accuracy' ? '%' : '');
const afterMetaSteps = ({ step }: ReportedEvaluation): string => `after ${formatCount(step)} meta-steps`;
const describe = ({ protocol }: ReportedEvaluation): string =>
  `mean over ${formatCount(protocol.tasks)} ${protocol.split} tasks`;
