// An evaluation beside the published figure of its job file: the numbers, and a verdict that never
// claims more than they show. The one place of the rule, and of the words for it in terminal, report,
// console and API. Pure, and free of Node, so that a browser can have it too.
//
// The rule. A claim (reproduced, or reached) needs a job that has succeeded, and at every point of the
// measure's axis (each inner step, for one) that the source reports:
// - what is measured is what the source measured: every stated field of `task` and `evaluation`, and `transductive`. The source must state at
//   least the distribution, ways, shots, queries, tasks and `transductive`. More test tasks than the source's are as good.
// - no test task diverged, as the mean would leave out the worst.
// - our interval is narrow: half its width is at most twice the published half-width, or a tenth of the figure where none is published.
// - the published mean lies inside our interval, or ours is the better one.
// "Reproduced" also needs that nothing else is known to differ; otherwise the figure is only "reached".
import type { JobStateName } from './cluster-event.ts';
import type { DataIdentity } from './data-identity.ts';
import type { JobSpec, PublishedSpec } from './job-spec/index.ts';
import { axisHead, type Estimate, type Figure, figuresOf, leadingMeasure, type Measure } from './measures.ts';
import { formatCount } from './numbers.ts';
import { type Difference, differencesBetween, type ProtocolFacts, protocolOfJob, statedFields } from './protocol.ts';

/** A job, and one of its evaluations. */
export interface ComparedJob {
  readonly state: JobStateName | Uppercase<JobStateName>;
  readonly spec: JobSpec;
  /** What was changed of the job file with `--set`, such as `meta.iterations=500`. */
  readonly overrides: readonly string[];
  /** What the job was computed with. */
  readonly data?: readonly DataIdentity[];
  readonly evaluation: {
    readonly measures: readonly Measure[];
    readonly protocol: ProtocolFacts;
    readonly divergedTasks?: number;
  };
}

/** How it bears on the claim: green, yellow, red, or nothing to say. */
export type Tone = 'good' | 'doubtful' | 'bad' | 'neutral';

export interface Words {
  readonly text: string;
  readonly tone: Tone;
}

/**
 * At one point:
 * - `inside`: the published mean lies inside our 95 % interval.
 * - `better`: it does not, and ours is the better one.
 * - `overlaps`: ours is worse, but the two intervals overlap.
 * - `worse`: ours is worse, by more than the intervals explain.
 * - `too-wide`: not clearly worse, and our interval is too wide to say more.
 */
export type RowVerdict = 'inside' | 'better' | 'overlaps' | 'worse' | 'too-wide';

export interface ComparedRow {
  /** Of the measure's axis; empty where it has none. */
  readonly point: string;
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
  /** What is compared: the published measure, else the leading one. Undefined where nothing was measured. */
  readonly measure: Measure | undefined;
  /** One for each point of the measure. */
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

/** One row for every point that was evaluated. */
export function compare(job: ComparedJob): Comparison {
  const { spec, evaluation, state } = job;
  const { published } = spec;
  const measure = leadingMeasure(evaluation.measures, published?.measure);
  const figures = published ? figuresOf(published) : {};
  const hasFigures = Object.keys(figures).length > 0;
  const known = published ? differencesOf(job, published) : [];
  const obstacles = published && hasFigures ? obstaclesTo(job, published, known, measure) : [];
  const isOpen = state.toLowerCase() !== 'succeeded';
  const rows = (measure?.points ?? []).map((point, i): ComparedRow => {
    const ours = measure!.estimates[i]!;
    const figure = measure!.name === published?.measure ? figures[point] : undefined;
    if (!figure) return { point, ours };
    const row = { point, ours, published: figure };
    return isOpen || obstacles.length > 0 ? row : { ...row, verdict: verdictOn(ours, figure, measure!.better) };
  });
  const differences = [...known.map(({ text }) => text), ...(published?.differences ?? [])];
  const outcome = hasFigures ? outcomeOf({ isOpen, rows, differences, obstacles }) : 'no-figure';
  return { measure, rows, outcome, differences, obstacles };
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

function verdictOn(ours: Estimate, published: Figure, better: Measure['better']): RowVerdict {
  if (!(Number.isFinite(ours.mean) && Number.isFinite(ours.halfWidth95))) return 'too-wide';
  const distance = Math.abs(ours.mean - published.mean);
  const isBetter =
    (better === 'lower' && ours.mean < published.mean) || (better === 'higher' && ours.mean > published.mean);
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
const changesFigure = /^(task|model|algorithm|meta|published|evaluation(?!\.(every|innerSteps|insight)))(\.|$)/;

/** Fields that say what is measured and what it is compared with, rather than how it was trained. */
const saysWhatIsMeasured = /^(task|evaluation|published)(\.|$)|^transductive$/;

function obstaclesTo(
  { spec, evaluation }: ComparedJob,
  published: PublishedSpec,
  known: readonly Difference[],
  measure: Measure | undefined,
): string[] {
  const { protocol } = published;
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
  return [
    ...(missing.length > 0 ? [`the published protocol does not state ${missing.join(', ')}`] : []),
    ...(otherMeasure.length > 0 ? [`another measurement: ${otherMeasure.join(', ')}`] : []),
    ...(isTest ? [] : [`evaluated on the ${facts.split} split`]),
    ...notMeasured(published, measure),
    ...(diverged === undefined ? [] : [diverged]),
  ];
}

/** Published figures at points that the evaluation has not, in words. */
function notMeasured(published: PublishedSpec, measure: Measure | undefined): string[] {
  if (measure?.name !== published.measure) return [`not measured: ${published.measure}`];
  const { axis, points } = measure;
  const missing = Object.keys(figuresOf(published)).filter((point) => !points.includes(point));
  return missing.length > 0 ? [`not measured: ${missing.join(', ')} ${axisHead({ axis, points })}`] : [];
}

/** Tasks of an evaluation that diverged, in words; undefined where none did. */
export function divergedText({ divergedTasks = 0, protocol, measures }: ComparedJob['evaluation']): string | undefined {
  if (divergedTasks === 0) return undefined;
  const [first] = measures;
  const leftOut = first ? ` (left out of the ${first.name})` : '';
  return `${formatCount(divergedTasks)} of ${formatCount(protocol.tasks)} tasks diverged${leftOut}`;
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

export function outcomeWords({ outcome, differences, obstacles }: Omit<Comparison, 'measure' | 'rows'>): Words {
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
