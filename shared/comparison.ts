// An evaluation beside the published figure of its job file: the numbers, and a verdict that never
// claims more than they show. The one place of the rule, and of the words for it in terminal, report,
// console and API. Pure, and free of Node, so that a browser can have it too.
//
// The rule. A claim (reproduced, or reached) needs a job that has succeeded, and at every inner step
// that the source reports:
// - what is measured is what the source measured: every stated field of `task` and `evaluation`, and `transductive`. The source must state at
//   least the distribution, ways, shots, queries, tasks and `transductive`. More test tasks than the source's are as good.
// - no test task diverged, as the mean would leave out the worst.
// - our interval is narrow: half its width is at most twice the published half-width, or a tenth of the figure where none is published.
// - the published mean lies inside our interval, or ours is the better one.
// "Reproduced" also needs that nothing else is known to differ; otherwise the figure is only "reached".
import type { JobStateName } from './cluster-event.ts';
import type { DataIdentity } from './data-identity.ts';
import type { JobSpec, PublishedSpec } from './job-spec/index.ts';
import { formatCount, formatValue } from './numbers.ts';
import { type Difference, differencesBetween, type ProtocolFacts, protocolOfJob, statedFields } from './protocol.ts';

/** A mean over tasks and half the width of its 95 % interval. Accuracies are from 0 to 1. */
export interface Estimate {
  readonly mean: number;
  readonly halfWidth95: number;
}

/** What an evaluation measured; index = number of inner steps, from 0. */
export interface Measured {
  readonly lossByInnerStep: readonly Estimate[];
  /** Absent or empty for regression. */
  readonly accuracyByInnerStep?: readonly Estimate[];
}

/** A job, and one of its evaluations. */
export interface ComparedJob {
  readonly state: JobStateName | Uppercase<JobStateName>;
  readonly spec: JobSpec;
  /** What was changed of the job file with `--set`, such as `meta.iterations=500`. */
  readonly overrides: readonly string[];
  /** What the job was computed with. */
  readonly data?: readonly DataIdentity[];
  readonly evaluation: Measured & { readonly protocol: ProtocolFacts; readonly divergedTasks?: number };
}

export type Metric = 'loss' | 'accuracy';

/** How it bears on the claim: green, yellow, red, or nothing to say. */
export type Tone = 'good' | 'doubtful' | 'bad' | 'neutral';

export interface Words {
  readonly text: string;
  readonly tone: Tone;
}

/**
 * On one inner step:
 * - `inside`: the published mean lies inside our 95 % interval.
 * - `better`: it does not, and ours is the better one.
 * - `overlaps`: ours is worse, but the two intervals overlap.
 * - `worse`: ours is worse, by more than the intervals explain.
 * - `too-wide`: not clearly worse, and our interval is too wide to say more.
 */
export type RowVerdict = 'inside' | 'better' | 'overlaps' | 'worse' | 'too-wide';

type Figure = PublishedSpec['byInnerStep'][string];

export interface ComparedRow {
  readonly innerSteps: number;
  readonly ours: Estimate;
  readonly published?: Figure;
  /** Absent where there is no figure, or none that ours may be compared with. */
  readonly verdict?: RowVerdict;
}

/**
 * - `reproduced`, `reached`: the two claims; see the rule above.
 * - `overlaps`, `not-reproduced`: the worst row is of that kind.
 * - `too-wide`: no row is clearly worse, and at least one is too wide to tell.
 * - `not-comparable`: the source did not measure what we did; `obstacles` says why.
 * - `undecided`: the job has not succeeded.
 * - `no-figure`: the job file has no published figure.
 */
export type Outcome =
  | 'reproduced'
  | 'reached'
  | 'overlaps'
  | 'not-reproduced'
  | 'too-wide'
  | 'not-comparable'
  | 'undecided'
  | 'no-figure';

export interface Comparison {
  readonly metric: Metric;
  readonly rows: readonly ComparedRow[];
  readonly outcome: Outcome;
  /** All that is known to differ from the source, in words. */
  readonly differences: readonly string[];
  /** Why no claim can be made, in words. */
  readonly obstacles: readonly string[];
}

/** What a job's record and `--json` hold once it has succeeded. */
export interface Verdict extends Pick<Comparison, 'outcome' | 'differences' | 'obstacles'> {
  /** The outcome in a sentence. */
  readonly text: string;
}

/** A claim: `--gate` lets it pass. */
export const isClaim = (outcome: Outcome): boolean => outcome === 'reproduced' || outcome === 'reached';

/** One row for every inner step that was evaluated, from 0. */
export function compare(job: ComparedJob): Comparison {
  const { spec, evaluation, state } = job;
  const { published } = spec;
  const hasAccuracy = (evaluation.accuracyByInnerStep?.length ?? 0) > 0;
  const metric = published?.metric ?? (hasAccuracy ? 'accuracy' : 'loss');
  const ours = (metric === 'accuracy' ? evaluation.accuracyByInnerStep : evaluation.lossByInnerStep) ?? [];
  const figures = published?.byInnerStep ?? {};
  const hasFigures = Object.keys(figures).length > 0;
  const known = published ? differencesOf(job, published) : [];
  const obstacles = hasFigures ? obstaclesTo(job, known, ours.length) : [];
  const isOpen = state.toLowerCase() !== 'succeeded';
  const rows = ours.map((estimate, innerSteps): ComparedRow => {
    const figure = figures[innerSteps];
    if (!figure) return { innerSteps, ours: estimate };
    const row = { innerSteps, ours: estimate, published: figure };
    return isOpen || obstacles.length > 0 ? row : { ...row, verdict: verdictOn(estimate, figure, metric) };
  });
  const differences = [...known.map(({ text }) => text), ...(published?.differences ?? [])];
  const outcome = hasFigures ? outcomeOf({ isOpen, rows, differences, obstacles }) : 'no-figure';
  return { metric, rows, outcome, differences, obstacles };
}

/** @returns undefined for a job that has not succeeded, or has no published figure. */
export function verdictOf(job: ComparedJob): Verdict | undefined {
  const comparison = compare(job);
  const { outcome, differences, obstacles } = comparison;
  if (outcome === 'undecided' || outcome === 'no-figure') return undefined;
  return { outcome, text: outcomeWords(comparison).text, differences, obstacles };
}

function outcomeOf({
  isOpen,
  rows,
  differences,
  obstacles,
}: Pick<Comparison, 'rows' | 'differences' | 'obstacles'> & { readonly isOpen: boolean }): Outcome {
  if (isOpen) return 'undecided';
  if (obstacles.length > 0) return 'not-comparable';
  const verdicts = rows.map(({ verdict }) => verdict);
  if (verdicts.includes('worse')) return 'not-reproduced';
  if (verdicts.includes('too-wide')) return 'too-wide';
  if (verdicts.includes('overlaps')) return 'overlaps';
  return differences.length > 0 ? 'reached' : 'reproduced';
}

function verdictOn(ours: Estimate, published: Figure, metric: Metric): RowVerdict {
  if (!(Number.isFinite(ours.mean) && Number.isFinite(ours.halfWidth95))) return 'too-wide';
  const distance = Math.abs(ours.mean - published.mean);
  const isBetter = metric === 'loss' ? ours.mean < published.mean : ours.mean > published.mean;
  if (!isBetter && distance > ours.halfWidth95 + (published.halfWidth95 ?? 0)) return 'worse';
  if (ours.halfWidth95 > widestHalfWidth(published)) return 'too-wide';
  if (distance <= ours.halfWidth95) return 'inside';
  return isBetter ? 'better' : 'overlaps';
}

/** Half the width that our interval may have beside this figure. */
const widestHalfWidth = ({ mean, halfWidth95 }: Figure): number =>
  halfWidth95 ? 2 * halfWidth95 : Math.abs(mean) / 10;

/**
 * Fields that differ, and what was changed with `--set` where no field of the source says how it should
 * be.
 */
function differencesOf(job: ComparedJob, published: PublishedSpec): Difference[] {
  const { spec, overrides, data, evaluation } = job;
  const stated = new Set(statedFields(published.protocol).map(([field]) => field));
  const unstated = overrides.flatMap((override): Difference[] => {
    const field = override.slice(0, override.indexOf('='));
    const matters = changesFigure.test(field) && !stated.has(field);
    return matters ? [{ field, text: `${override}, changed with --set` }] : [];
  });
  const ours = protocolOfJob(spec, evaluation.protocol, data);
  return [...differencesBetween(ours, published.protocol), ...unstated];
}

/** Fields that change what is measured, how it was trained, or what it is compared with. */
const changesFigure = /^(task|model|algorithm|meta|published|evaluation(?!\.(every|innerSteps)))(\.|$)/;

/** Fields that say what is measured and what it is compared with, rather than how it was trained. */
const saysWhatIsMeasured = /^(task|evaluation|published)(\.|$)|^transductive$/;

function obstaclesTo({ spec, evaluation }: ComparedJob, known: readonly Difference[], measuredSteps: number): string[] {
  const { byInnerStep = {}, protocol = {} } = spec.published ?? {};
  const stated = new Set(statedFields(protocol).map(([field]) => field));
  const needed = [
    'task.distribution',
    ...('ways' in spec.task ? ['task.ways'] : []),
    ...['task.shots', 'task.queries', 'evaluation.tasks', 'transductive'],
  ];
  const missing = needed.filter((field) => !stated.has(field));
  const otherMeasure = known.filter(({ field }) => saysWhatIsMeasured.test(field)).map(({ text }) => text);
  const diverged = divergedText(evaluation);
  const { protocol: facts } = evaluation;
  const isTest = stated.has('evaluation.split') || facts.split === 'test';
  const unmeasured = Object.keys(byInnerStep).filter((innerSteps) => Number(innerSteps) >= measuredSteps);
  return [
    ...(missing.length > 0 ? [`the published protocol does not state ${missing.join(', ')}`] : []),
    ...(otherMeasure.length > 0 ? [`another measurement: ${otherMeasure.join(', ')}`] : []),
    ...(isTest ? [] : [`evaluated on the ${facts.split} split`]),
    ...(unmeasured.length > 0 ? [`not measured: ${unmeasured.join(', ')} inner steps`] : []),
    ...(diverged === undefined ? [] : [diverged]),
  ];
}

/** Tasks of an evaluation that diverged, in words; undefined where none did. */
export function divergedText({ divergedTasks = 0, protocol }: ComparedJob['evaluation']): string | undefined {
  if (divergedTasks === 0) return undefined;
  return `${formatCount(divergedTasks)} of ${formatCount(protocol.tasks)} tasks diverged (left out of the losses)`;
}

/** What the numbers are, such as `mean squared error`. Accuracies are shown in per cent. */
export function measureName(metric: Metric, spec: JobSpec): string {
  if (metric === 'accuracy') return 'accuracy, %';
  return spec.task.distribution === 'sinusoid' ? 'mean squared error' : 'loss';
}

/** A loss to three significant digits, an accuracy in per cent, each with its half-width where there is one. */
export function formatFigure(metric: Metric, mean: number, halfWidth95?: number): string {
  const format = metric === 'accuracy' ? (value: number) => (100 * value).toFixed(2) : formatValue;
  return halfWidth95 === undefined ? format(mean) : `${format(mean)} ± ${format(halfWidth95)}`;
}

export function verdictWords(verdict: RowVerdict): Words {
  switch (verdict) {
    case 'inside':
      return { text: 'published value inside our interval', tone: 'good' };
    case 'better':
      return { text: 'ours is better', tone: 'good' };
    case 'overlaps':
      return { text: 'ours is worse, the intervals overlap', tone: 'doubtful' };
    case 'worse':
      return { text: 'ours is worse', tone: 'bad' };
    case 'too-wide':
      return { text: 'our interval is too wide to tell', tone: 'doubtful' };
    default:
      return verdict satisfies never;
  }
}

export function outcomeWords({ outcome, differences, obstacles }: Omit<Comparison, 'metric' | 'rows'>): Words {
  const points = `${differences.length} ${differences.length === 1 ? 'point' : 'points'}`;
  const caveat = differences.length > 0 ? `; the protocol differs in ${points}` : '';
  switch (outcome) {
    case 'reproduced':
      return { text: 'Reproduced: the published figure lies inside our interval, or ours is better', tone: 'good' };
    case 'reached':
      return {
        text: `Published figure reached: it lies inside our interval, or ours is better${caveat}`,
        tone: 'good',
      };
    case 'overlaps': {
      const text = `Not quite reproduced: ours is worse, by less than the two intervals add up to${caveat}`;
      return { text, tone: 'doubtful' };
    }
    case 'not-reproduced':
      return { text: `Not reproduced: ours is worse${caveat}`, tone: 'bad' };
    case 'too-wide': {
      const text =
        'Too wide to tell: half of our interval is more than a tenth of the figure, or than twice the published half-width';
      return { text: `${text}${caveat}`, tone: 'doubtful' };
    }
    case 'not-comparable':
      return { text: `Not comparable: ${obstacles.join('; ')}`, tone: 'doubtful' };
    case 'undecided':
      return { text: 'No verdict before the job has succeeded', tone: 'neutral' };
    case 'no-figure':
      return { text: 'No published figure', tone: 'neutral' };
    default:
      return outcome satisfies never;
  }
}
