// An evaluation beside the published figure of its job file: the numbers, a verdict that never claims more than they show, and the words for
// it, the same wherever a person reads them (terminal, report, console). A verdict is about one inner step: does the published mean lie
// inside our 95 % interval, and if not, on which side. Pure, and free of Node, so that a browser can have it too.
import type { JobSpec, PublishedSpec } from './job-spec/index.ts';
import { formatCount, formatValue } from './numbers.ts';

/** A mean over tasks and half the width of its 95 % interval. Accuracies are from 0 to 1. */
export interface Estimate {
  readonly mean: number;
  readonly halfWidth95: number;
}

/** What an evaluation measured; index = number of inner steps, from 0. */
export interface Measured {
  readonly lossByInnerStep: readonly Estimate[];
  /** Absent for regression. */
  readonly accuracyByInnerStep?: readonly Estimate[];
}

export type Metric = 'loss' | 'accuracy';

/** How it bears on the claim: green, yellow, red, or nothing to say. */
export type Tone = 'good' | 'doubtful' | 'bad' | 'neutral';

export interface Words {
  readonly text: string;
  readonly tone: Tone;
}

/**
 * - `inside`: the published mean lies inside our 95 % interval.
 * - `better`: it does not, and ours is the better one.
 * - `overlaps`: ours is worse, but the two intervals overlap.
 * - `worse`: ours is worse, by more than the intervals explain.
 */
export type Verdict = 'inside' | 'better' | 'overlaps' | 'worse';

export interface ComparedRow {
  readonly innerSteps: number;
  readonly ours: Estimate;
  readonly published?: { readonly mean: number; readonly halfWidth95?: number };
  readonly verdict?: Verdict;
}

export interface Comparison {
  readonly metric: Metric;
  readonly rows: readonly ComparedRow[];
  /** Inner steps that the source reports and this evaluation did not reach. */
  readonly notMeasured: readonly number[];
  readonly outcome: 'reproduced' | 'overlaps' | 'not-reproduced' | 'nothing-to-compare';
}

/** One row for every inner step that was evaluated, from 0. */
export function compare(evaluation: Measured, published: PublishedSpec | undefined): Comparison {
  const metric = published?.metric ?? (evaluation.accuracyByInnerStep ? 'accuracy' : 'loss');
  const ours = metric === 'accuracy' ? (evaluation.accuracyByInnerStep ?? []) : evaluation.lossByInnerStep;
  const rows = ours.map((estimate, innerSteps): ComparedRow => {
    const figure = published?.byInnerStep[innerSteps];
    if (!figure) return { innerSteps, ours: estimate };
    const { mean, halfWidth95 } = figure;
    return {
      innerSteps,
      ours: estimate,
      published: halfWidth95 === undefined ? { mean } : { mean, halfWidth95 },
      verdict: verdictOn(estimate, mean, halfWidth95 ?? 0, metric),
    };
  });
  const notMeasured = Object.keys(published?.byInnerStep ?? {})
    .map(Number)
    .filter((innerSteps) => innerSteps >= ours.length);
  const verdicts = rows.flatMap(({ verdict }) => verdict ?? []);
  return { metric, rows, notMeasured, outcome: outcomeOf(verdicts) };
}

function verdictOn(ours: Estimate, published: number, publishedHalfWidth: number, metric: Metric): Verdict {
  const distance = Math.abs(ours.mean - published);
  if (distance <= ours.halfWidth95) return 'inside';
  const isBetter = metric === 'loss' ? ours.mean < published : ours.mean > published;
  if (isBetter) return 'better';
  return distance <= ours.halfWidth95 + publishedHalfWidth ? 'overlaps' : 'worse';
}

function outcomeOf(verdicts: readonly Verdict[]): Comparison['outcome'] {
  if (verdicts.length === 0) return 'nothing-to-compare';
  if (verdicts.includes('worse')) return 'not-reproduced';
  return verdicts.includes('overlaps') ? 'overlaps' : 'reproduced';
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

export function verdictWords(verdict: Verdict): Words {
  switch (verdict) {
    case 'inside':
      return { text: 'published value inside our interval', tone: 'good' };
    case 'better':
      return { text: 'ours is better', tone: 'good' };
    case 'overlaps':
      return { text: 'ours is worse, the intervals overlap', tone: 'doubtful' };
    case 'worse':
      return { text: 'ours is worse', tone: 'bad' };
    default:
      return verdict satisfies never;
  }
}

/** @param differences points in which our protocol is known to differ from the source's. */
export function outcomeWords({ outcome, notMeasured }: Comparison, differences: number): Words {
  const missing = notMeasured.length > 0 ? `; not measured: ${notMeasured.join(', ')} inner steps` : '';
  const points = `${differences} ${differences === 1 ? 'point' : 'points'}`;
  const caveat = differences > 0 ? `, under a protocol that differs in ${points}` : '';
  switch (outcome) {
    case 'reproduced': {
      const word = differences > 0 ? 'Published figure reached' : 'Reproduced';
      return { text: `${word}: it lies inside our interval or ours is better${caveat}${missing}`, tone: 'good' };
    }
    case 'overlaps': {
      const text = `Not quite reproduced: ours is worse, by less than the two intervals add up to${caveat}${missing}`;
      return { text, tone: 'doubtful' };
    }
    case 'not-reproduced':
      return { text: `Not reproduced: ours is worse${caveat}${missing}`, tone: 'bad' };
    case 'nothing-to-compare':
      return { text: `Nothing to compare${missing}`, tone: 'neutral' };
    default:
      return outcome satisfies never;
  }
}

/** Of an evaluation's protocol, what its sentence says. */
export interface ProtocolFacts {
  readonly distribution: string;
  readonly split: string;
  readonly tasks: number;
  /** 0 for regression. */
  readonly ways: number;
  readonly shots: number;
  readonly queries: number;
  readonly transductive: boolean;
  readonly splitDescription: string;
}

/** The protocol of an evaluation and the training behind it, fact by fact. */
export interface ProtocolCard {
  /** Such as `second-order MAML`. */
  readonly method: string;
  /** Such as `5-way 1-shot`. */
  readonly episode: string;
  readonly queries: string;
  readonly tasks: string;
  /** `transductive`: a prediction may use the other query examples. */
  readonly predictions: 'transductive' | 'inductive';
  readonly training: string;
  readonly split: string;
}

export function protocolCard(protocol: ProtocolFacts, spec: JobSpec): ProtocolCard {
  const { algorithm, meta } = spec;
  const { ways, shots, queries } = protocol;
  const query = queries === 1 ? 'query' : 'queries';
  const order = algorithm.name === 'maml' ? `${algorithm.order}-order ` : '';
  return {
    method: `${order}${algorithm.name === 'maml' ? 'MAML' : 'Reptile'}`,
    episode: ways > 0 ? `${ways}-way ${shots}-shot` : `${shots} support points`,
    queries: ways > 0 ? `${queries} ${query} a class` : `${queries} query ${queries === 1 ? 'point' : 'points'}`,
    tasks: `${formatCount(protocol.tasks)} ${protocol.split} tasks`,
    predictions: protocol.transductive ? 'transductive' : 'inductive',
    training:
      `trained for ${formatCount(meta.iterations)} meta-steps of ${meta.batchSize} tasks with ${algorithm.innerSteps} inner ` +
      `${algorithm.innerSteps === 1 ? 'step' : 'steps'} of rate ${algorithm.innerLearningRate}, ${meta.optimizer.name} ` +
      `${meta.optimizer.learningRate} (${meta.schedule.name}), seed ${spec.seed}`,
    split: protocol.splitDescription || protocol.distribution,
  };
}

/** The same in a sentence. */
export function protocolText(protocol: ProtocolFacts, spec: JobSpec): string {
  const { method, episode, queries, tasks, predictions, training, split } = protocolCard(protocol, spec);
  return `${method}, ${episode}, ${queries}, ${tasks}, ${predictions}; ${training}; ${split}`;
}
