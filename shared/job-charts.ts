// Which curves a job has, and what is on them: how training went, and what adaptation gains, with the published figures beside it. The same
// for the terminal, the report and the console, which only draw. Pure, and free of Node, so that a browser can have it too.
import { type Scale, scaleFor } from './axis.ts';
import type { PublishedSpec } from './job-spec/index.ts';
import {
  areCounts,
  areKinds,
  type Estimate,
  figuresOf,
  inReadingOrder,
  isOfSeveralKinds,
  type Measure,
  type MeasureUnit,
  type MeasureValue,
  placeText,
} from './measures.ts';
import { formatCount } from './numbers.ts';
import { ensembleText, evaluatedText } from './protocol.ts';

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
  /** Stable, such as `training-loss`. */
  readonly id: string;
  readonly title: string;
  /** What is measured, in words. */
  readonly about: string;
  /** `meta-step`, or the axis of the measure, such as `inner step`. */
  readonly x: string;
  /** Of an axis whose points are names: those of x = 0, 1, … */
  readonly pointNames?: readonly string[];
  /**
   * Whether the points are kinds, such as layers: bars, since there is nothing between two kinds.
   * Default: no.
   */
  readonly isOfKinds?: boolean;
  readonly unit: MeasureUnit;
  readonly scale: Scale;
  /** Whether every point is worth a mark: there are few, and each is a measurement of its own. */
  readonly isMarked: boolean;
  /** The main one first. */
  readonly series: readonly ChartSeries[];
}

export interface ReportedMetaStep {
  readonly step: number;
  readonly measures: readonly MeasureValue[];
  readonly metaGradientNorm: number;
  readonly tasksPerSecond: number;
}

export interface ReportedEvaluation {
  readonly step: number;
  readonly protocol: { readonly split: string; readonly tasks: number; readonly ensemble?: readonly number[] };
  readonly measures: readonly Measure[];
}

export interface JobCurves {
  readonly metaSteps: readonly ReportedMetaStep[];
  readonly evaluations: readonly ReportedEvaluation[];
  readonly published?: PublishedSpec | undefined;
}

/** Earlier evaluations beside the last one, at most. */
const maxEarlier = 4;

/** Such as `Adaptation: accuracy by inner step, %`. */
export const headingOf = ({ title, x, unit }: Chart): string => `${title} by ${x}${unit ? `, ${unit}` : ''}`;

/** A place along the chart in words: a count, or the name of the point. */
export const xText = ({ pointNames }: Chart, x: number): string => pointNames?.[x] ?? formatCount(x);

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
  const newest = new Map<string, Measure>();
  // an ensemble has fewer measures than the evaluations before it
  for (const evaluation of evaluations) for (const measure of evaluation.measures) newest.set(measure.name, measure);
  const measures = inReadingOrder([...newest.values()], published?.measure);
  return [
    ...trainingCharts(metaSteps),
    ...measures.flatMap((measure) => adaptationChart(measure, evaluations, published)),
    ...measures.flatMap((measure) => evaluationCharts(measure, evaluations)),
  ];
}

function trainingCharts(metaSteps: readonly ReportedMetaStep[]): Chart[] {
  const chart = (
    words: Pick<Chart, 'id' | 'title' | 'about'>,
    read: (reported: ReportedMetaStep) => number | undefined,
    shape: Partial<Pick<Chart, 'unit' | 'scale'>> = {},
  ): Chart[] => {
    const points = metaSteps.flatMap((reported) => pointAt(reported.step, read(reported)));
    if (points.length === 0) return [];
    const scale = scaleFor(points.map(({ y }) => y));
    const series = [{ label: words.title, role: 'main', points } as const];
    return [{ ...words, x: 'meta-step', unit: '', scale, isMarked: false, series, ...shape }];
  };
  return [
    ...(metaSteps.at(-1)?.measures ?? []).flatMap(({ name, unit }) =>
      chart(
        { id: `training-${name}`, title: `Training: ${name}`, about: 'after adaptation, mean of a meta-batch' },
        ({ measures }) => scaled(unit, measures.find((measure) => measure.name === name)?.value),
        unit === '%' ? { unit, scale: 'linear' } : { unit },
      ),
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

/** Of the newest evaluation, along the measure's axis; nothing where it has a single point. */
function adaptationChart(
  measure: Measure,
  evaluations: readonly ReportedEvaluation[],
  published: PublishedSpec | undefined,
): Chart[] {
  const { name, axis, unit } = measure;
  const measured = evaluations.filter((evaluation) => measureIn(evaluation, name));
  const latest = measured.at(-1);
  const places = placesOf(measure, published);
  const isOfKinds = areKinds(measure.points);
  const points = pointsAlong(measure, places);
  if (!latest || measure.points.length < 2 || points.length === 0) return [];
  const series: ChartSeries[] = [{ label: evaluatedText(latest), role: 'main', points }];
  if (published?.measure === name) {
    const figures = Object.entries(figuresOf(published)).flatMap(([point, { mean, halfWidth95 }]) =>
      pointAt(places.of(point), scaled(unit, mean), scaled(unit, halfWidth95)),
    );
    series.push({ label: 'published', role: 'published', points: figures.sort((a, b) => a.x - b.x) });
  }
  for (const evaluation of spread(measured.slice(0, -1), maxEarlier)) {
    const earlier = measureIn(evaluation, name);
    if (!earlier) continue;
    series.push({ label: evaluatedText(evaluation), role: 'earlier', points: pointsAlong(earlier, places) });
  }
  return [
    {
      id: `adaptation-${name}`,
      title: `Adaptation: ${name}`,
      about: `${describe(latest)} ± 95 %, ${evaluatedText(latest)}`,
      x: axis,
      ...(places.names && { pointNames: places.names }),
      ...(isOfKinds && { isOfKinds }),
      unit,
      scale: isOfKinds || unit === '%' ? 'linear' : scaleFor(series.flatMap((one) => one.points.map(({ y }) => y))),
      isMarked: true,
      series,
    },
  ];
}

/**
 * What the last point reaches, or each of several kinds, evaluation by evaluation; nothing before
 * there are two.
 */
function evaluationCharts(measure: Measure, evaluations: readonly ReportedEvaluation[]): Chart[] {
  const { points } = measure;
  const last = points.length - 1;
  return points.flatMap((_, at) =>
    at === last || isOfSeveralKinds(points) ? evaluationChart(measure, at, evaluations) : [],
  );
}

function evaluationChart(
  { name, axis, points, better, unit }: Measure,
  at: number,
  evaluations: readonly ReportedEvaluation[],
): Chart[] {
  if (better === 'neither') return [];
  const ofOne = evaluations.filter(({ protocol }) => !ensembleText(protocol));
  const latest = ofOne.at(-1);
  const reached = ofOne.flatMap((evaluation) => {
    const estimate = measureIn(evaluation, name)?.estimates[at];
    return estimate ? pointOf(evaluation.step, estimate, unit) : [];
  });
  if (!latest || reached.length < 2) return [];
  const point = points[at]!;
  const place = placeText(axis, point);
  const isOfKind = isOfSeveralKinds(points);
  return [
    {
      id: isOfKind ? `evaluation-${name}-${point}` : `evaluation-${name}`,
      title: isOfKind ? `Evaluation: ${name}, ${point}` : `Evaluation: ${name}`,
      about: `${describe(latest)} ± 95 %${place && `,${place}`}`,
      x: 'meta-step',
      unit,
      scale: unit === '%' ? 'linear' : scaleFor(reached.map(({ y }) => y)),
      isMarked: true,
      series: [{ label: `${name}${place}`, role: 'main', points: reached }],
    },
  ];
}

/** Where the points of an axis are: counts at their number, names one after another, as they come. */
interface Places {
  readonly of: (point: string) => number;
  readonly names?: readonly string[];
}

function placesOf({ name, points }: Measure, published: PublishedSpec | undefined): Places {
  if (areCounts(points)) return { of: Number };
  const others = published?.measure === name ? Object.keys(figuresOf(published)) : [];
  const names = [...new Set([...points, ...others])];
  return { of: (point) => names.indexOf(point), names };
}

const measureIn = ({ measures }: ReportedEvaluation, name: string): Measure | undefined =>
  measures.find((measure) => measure.name === name);

const pointsAlong = ({ points, estimates, unit }: Measure, { of }: Places): ChartPoint[] =>
  points.flatMap((point, i) => (estimates[i] ? pointOf(of(point), estimates[i], unit) : []));

const pointOf = (x: number, { mean, halfWidth95 }: Estimate, unit: MeasureUnit): ChartPoint[] =>
  pointAt(x, scaled(unit, mean), scaled(unit, halfWidth95));

function pointAt(x: number, y: number | undefined, halfWidth95?: number): ChartPoint[] {
  if (y === undefined || !Number.isFinite(y)) return [];
  return [halfWidth95 !== undefined && Number.isFinite(halfWidth95) ? { x, y, halfWidth95 } : { x, y }];
}

/** At most `count`, the first and the last among them, evenly chosen. */
function spread<Item>(items: readonly Item[], count: number): Item[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}

/** As it is shown: shares in per cent. */
function scaled(unit: MeasureUnit, value: number | undefined): number | undefined {
  return value === undefined || unit !== '%' ? value : 100 * value;
}

const describe = ({ protocol }: ReportedEvaluation): string =>
  `mean over ${formatCount(protocol.tasks)} ${protocol.split} tasks`;
