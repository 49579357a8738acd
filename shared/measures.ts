// What is measured on tasks: a name, an axis and its points, and how people read the values. A job's parts
// declare which measures there are; everything else takes them as they come, and knows none by name.
// Pure, and free of Node, so that a browser can have it too.
import { formatCount, formatPercent, formatValue } from './numbers.ts';

/** A mean over tasks and half the width of its 95 % interval. */
export interface Estimate {
  readonly mean: number;
  readonly halfWidth95: number;
}

/** A figure that a source reports, with a half-width where it gives one. */
export interface Figure {
  readonly mean: number;
  readonly halfWidth95?: number | undefined;
}

/** `%`: values are shares from 0 to 1, and are shown a hundred times as large. */
export type MeasureUnit = '' | '%';

/** What a measure is, known from the job file alone. */
export interface MeasureHead {
  /** Such as `loss`: a lower-case letter, then letters, digits and hyphens, at most 40. */
  readonly name: string;
  /** In words, such as `mean squared error`. Default: the name. */
  readonly title?: string;
  /** Along what a task is measured, in the singular, such as `inner step` or `domain`; empty: once. */
  readonly axis: string;
  /**
   * Along the axis, in order: counts such as `0`, `1`, `2`, places such as `1st`, or names. `['']`
   * where there is no axis.
   */
  readonly points: readonly string[];
  /** `neither`: it says how something is, and not how well it does. */
  readonly better: 'lower' | 'higher' | 'neither';
  /** Values are finite and within it. Without it, a value that is not finite says that its task diverged. */
  readonly range?: readonly [low: number, high: number];
  /** Default: none. */
  readonly unit?: MeasureUnit;
}

/** One measure's values of some tasks. */
export interface MeasureRows {
  readonly name: string;
  /** Row-major [tasks × points]. */
  readonly values: readonly number[];
}

/** A measure summed up over the tasks of an evaluation. */
export interface Measure extends Required<Omit<MeasureHead, 'range'>> {
  /** One for each point. */
  readonly estimates: readonly Estimate[];
}

/** A measure of training: its mean over the tasks of a meta-batch. */
export interface MeasureValue extends Required<Pick<MeasureHead, 'name' | 'unit'>> {
  readonly value: number;
}

/** What of a measure says how to show it. */
type Shown = Pick<Measure, 'name' | 'unit'>;

/** What a measure may be called. */
export const measureNameRule = 'a lower-case letter, then letters, digits and hyphens, at most 40';
export const isMeasureName = (name: string): boolean => /^[a-z][a-z0-9-]{0,39}$/.test(name);

/** A job has at most so many. */
export const maxMeasures = 8;

/** The points of a measure that has no axis. */
export const noAxis = { axis: '', points: [''] } as const;

/** Values of one task, of all measures. */
export const valuesOfTask = (heads: readonly MeasureHead[]): number =>
  heads.reduce((sum, { points }) => sum + points.length, 0);

/** The head as clients get it, with its estimates. */
export const measureOf = (
  { name, title = name, axis, points, better, unit = '' }: MeasureHead,
  estimates: readonly Estimate[],
): Measure => ({ name, title, axis, points, better, unit, estimates });

/** The figures of a source by the point of their measure's axis, which is empty where there is no axis. */
export const figuresOf = ({
  at = {},
  figure,
}: {
  readonly at?: Readonly<Record<string, Figure>> | undefined;
  readonly figure?: Figure | undefined;
}): Readonly<Record<string, Figure>> => (figure ? { ...at, '': figure } : at);

/**
 * The measure that people ask for first: the wanted one, or the first of which more is better, or the
 * first. Undefined only where there is none.
 */
export function leadingMeasure<Item extends Pick<Measure, 'name' | 'better'>>(
  measures: readonly Item[],
  wanted?: string,
): Item | undefined {
  const named = wanted === undefined ? undefined : measures.find(({ name }) => name === wanted);
  return named ?? measures.find(({ better }) => better === 'higher') ?? measures[0];
}

/** The leading measure, then the others. */
export function inReadingOrder<Item extends Pick<Measure, 'name' | 'better'>>(
  measures: readonly Item[],
  wanted?: string,
): Item[] {
  const leading = leadingMeasure(measures, wanted);
  return leading ? [leading, ...measures.filter((measure) => measure !== leading)] : [];
}

/** The measures along other axes than this one's, those with the same points together. */
export function alongOtherAxes(measures: readonly Measure[], { axis, points }: Measure): Measure[][] {
  const placesOf = (measure: Pick<Measure, 'axis' | 'points'>) => JSON.stringify([measure.axis, measure.points]);
  const groups = new Map<string, Measure[]>();
  for (const measure of measures) {
    const places = placesOf(measure);
    if (measure.axis === '' || places === placesOf({ axis, points })) continue;
    groups.set(places, [...(groups.get(places) ?? []), measure]);
  }
  return [...groups.values()];
}

/** The measures at the last of their points, but those whose last point stands for no others. */
export const atLastPoint = (measures: readonly Measure[]): Measure[] =>
  measures.flatMap((measure) =>
    isOfSeveralKinds(measure.points)
      ? []
      : { ...measure, points: measure.points.slice(-1), estimates: measure.estimates.slice(-1) },
  );

/** Whether points are counts (of inner steps, of episodes) rather than names. */
export const areCounts = (points: readonly string[]): boolean => points.every(isCount);

/** Whether points are kinds, such as layers or domains, rather than places in an order, such as `10 %`. */
export const areKinds = (points: readonly string[]): boolean =>
  points.length > 0 && points.every((point) => Number.isNaN(Number.parseFloat(point)));

/** Whether the last point stands for no others. */
export const isOfSeveralKinds = (points: readonly string[]): boolean => points.length > 1 && areKinds(points);

export const isCount = (point: string): boolean => /^(0|[1-9]\d{0,14})$/.test(point);

/** Such as `1st`, `2nd`, `11th`: a place in an order. */
export function ordinal(place: number): string {
  const [tens, units] = [Math.floor(place / 10) % 10, place % 10];
  return `${place}${(tens === 1 ? undefined : ['th', 'st', 'nd', 'rd'][units]) ?? 'th'}`;
}

const isOrdinal = (point: string): boolean => /^[1-9]\d{0,14}(st|nd|rd|th)$/.test(point);

/** The axis as a column's head: `inner steps` where points are counts, else such as `domain`. */
export const axisHead = ({ axis, points }: Pick<Measure, 'axis' | 'points'>): string =>
  areCounts(points) ? `${axis}s` : axis;

/** Such as `10 inner steps`, `2nd presentation` or `domain birds`; empty where there is no axis. */
export function pointText(axis: string, point: string): string {
  if (axis === '') return '';
  if (isOrdinal(point)) return `${point} ${axis}`;
  if (!isCount(point)) return `${axis} ${point}`;
  return `${formatCount(Number(point))} ${axis}${point === '1' ? '' : 's'}`;
}

/**
 * Such as ` after 10 inner steps`, ` at the 2nd presentation` or ` in domain birds`, to go on with;
 * empty where there is no axis.
 */
export function placeText(axis: string, point: string): string {
  const text = pointText(axis, point);
  if (isOrdinal(point)) return text && ` at the ${text}`;
  return text && ` ${isCount(point) ? 'after' : 'in'} ${text}`;
}

/** The words for a measure over a column of its figures, such as `mean squared error` or `accuracy, %`. */
export const titleWithUnit = ({ title, unit }: Pick<Measure, 'title' | 'unit'>): string =>
  unit ? `${title}, ${unit}` : title;

/** A value and its unit, such as `0.0696` or `97.5 %`. */
export const formatMeasured = ({ unit }: Pick<Measure, 'unit'>, value: number): string =>
  unit === '%' ? formatPercent(value) : formatValue(value);

/** A value without its unit, for a table whose head has it, with the half-width where there is one. */
export function formatFigure({ unit }: Pick<Measure, 'unit'>, mean: number, halfWidth95?: number): string {
  const format = unit === '%' ? (value: number) => (100 * value).toFixed(2) : formatValue;
  return halfWidth95 === undefined ? format(mean) : `${format(mean)} ± ${format(halfWidth95)}`;
}

/** Such as `loss 0.0696`. */
export const valueText = (measure: Shown & { readonly value: number }): string =>
  `${measure.name} ${formatMeasured(measure, measure.value)}`;

/** Those that rate a result by one figure, in reading order. */
export function headlineMeasures(measures: readonly Measure[], wanted?: string): Measure[] {
  const rated = measures.filter(({ better, points }) => better !== 'neither' && !isOfSeveralKinds(points));
  return inReadingOrder(rated, wanted);
}

/**
 * Measures at their last points but those that rate nothing or tell kinds apart, such as `accuracy
 * 96.3 % ± 0.7, loss 0.103 ± 0.0159 after 3 inner steps`.
 */
export function headline(measures: readonly Measure[], wanted?: string): string {
  const figures = headlineMeasures(measures, wanted).flatMap((measure) => {
    const estimate = measure.estimates.at(-1);
    const place = placeText(measure.axis, measure.points.at(-1) ?? '');
    return estimate ? [{ text: shortFigure(measure, estimate), place }] : [];
  });
  const isSamePlace = figures.every(({ place }) => place === figures[0]?.place);
  if (isSamePlace) return `${figures.map(({ text }) => text).join(', ')}${figures[0]?.place ?? ''}`;
  return figures.map(({ text, place }) => `${text}${place}`).join(', ');
}

function shortFigure({ name, unit }: Shown, { mean, halfWidth95 }: Estimate): string {
  const spread = unit === '%' ? (100 * halfWidth95).toFixed(1) : formatValue(halfWidth95);
  return `${name} ${formatMeasured({ unit }, mean)} ± ${spread}`;
}
