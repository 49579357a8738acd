// How a figure was made: the facts of a protocol, ours or a published one, as a sentence and as a list,
// and the points in which two differ. Pure, and free of Node, so that a browser can have it too.
import type { DataIdentity } from './data-identity.ts';
import type { JobSpec, PublishedSpec, StatedProtocol } from './job-spec/index.ts';
import { formatCount } from './numbers.ts';
import { privacyText } from './privacy.ts';

/** Of an evaluation's protocol, what is compared and shown. */
export interface ProtocolFacts {
  readonly distribution: string;
  readonly split: string;
  readonly tasks: number;
  readonly transductive: boolean;
  readonly splitDescription: string;
  /**
   * Of an ensemble: the meta-steps of the checkpoints that predicted together. Absent or empty: one
   * θ was tested.
   */
  readonly ensemble?: readonly number[];
}

/** Such as `3 checkpoints together`; empty where one θ was tested. */
export const ensembleText = ({ ensemble = [] }: Pick<ProtocolFacts, 'ensemble'>): string =>
  ensemble.length > 0 ? `${ensemble.length} checkpoints together` : '';

/** What was evaluated: `after 200 meta-steps`, or `3 checkpoints together`. */
export const evaluatedText = ({
  step,
  protocol,
}: {
  readonly step: number;
  readonly protocol: Pick<ProtocolFacts, 'ensemble'>;
}): string => ensembleText(protocol) || `after ${formatCount(step)} meta-steps`;

/**
 * A job and its evaluation in the form in which a published protocol is stated.
 *
 * @param data what the job was computed with: of `dataSet: auto`, it says which set was found.
 */
export function protocolOfJob(
  { task: wanted, model, algorithm, objective, meta, evaluation }: JobSpec,
  { tasks, split, transductive, ensemble = [] }: ProtocolFacts,
  data: readonly DataIdentity[] = [],
): StatedProtocol {
  const part = data.find(({ name }) => name === wanted.distribution)?.part as 'full' | 'small' | undefined;
  const task = 'dataSet' in wanted && part ? { ...wanted, dataSet: part } : wanted;
  const measured = {
    tasks,
    innerSteps: evaluation.innerSteps,
    split: split as typeof evaluation.split,
    ...(ensemble.length > 0 && { ensemble: ensemble.length }),
  };
  return { task, model, algorithm, objective, meta, evaluation: measured, transductive };
}

/** A field that both state, and differently. */
export interface Difference {
  /** As in the job file, such as `meta.iterations`. */
  readonly field: string;
  /** Such as `meta.iterations: 150 instead of 1,000`. */
  readonly text: string;
}

/** Measuring more tasks or inner steps than the source does gives the same figure. */
const atLeastFields: ReadonlySet<string> = new Set(['evaluation.tasks', 'evaluation.innerSteps']);

/** Every field that `published` states and `ours` has another value for. */
export function differencesBetween(ours: StatedProtocol, published: StatedProtocol): Difference[] {
  return statedFields(published).flatMap(([field, theirs]) => {
    const own = valueAt(ours, field);
    const isEqual = JSON.stringify(own ?? null) === JSON.stringify(theirs);
    const isEnough = atLeastFields.has(field) && Number(own) >= Number(theirs);
    return isEqual || isEnough ? [] : [{ field, text: `${field}: ${valueText(own)} instead of ${valueText(theirs)}` }];
  });
}

/** Every value of a protocol with its path in the job file. */
export function statedFields(protocol: StatedProtocol): [field: string, value: unknown][] {
  const fieldsOf = (value: unknown, path: string): [string, unknown][] =>
    isSection(value)
      ? Object.entries(value).flatMap(([key, inner]) => fieldsOf(inner, path === '' ? key : `${path}.${key}`))
      : [[path, value]];
  return fieldsOf(protocol, '');
}

function valueAt(protocol: StatedProtocol, field: string): unknown {
  let value: unknown = protocol;
  for (const key of field.split('.')) value = isSection(value) ? value[key] : undefined;
  return value;
}

const isSection = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function valueText(value: unknown): string {
  if (value === undefined || value === null) return 'none';
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1000) return formatCount(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A protocol fact by fact. What it does not state is empty. */
export interface ProtocolCard extends JobWords {
  readonly tasks: string;
  /** `transductive`: a prediction may use the other query examples. */
  readonly predictions: string;
  readonly training: string;
}

/**
 * What the parts of a job say of themselves: the method, the model, the tasks. The coordinator writes them
 * down, since a client or a browser may not know the parts of a plugin.
 */
export interface JobWords {
  /** Such as `second-order MAML`. */
  readonly method: string;
  /** Such as `mlp [40, 40], relu, he initialisation`. */
  readonly model: string;
  /** Such as `5-way 1-shot`. */
  readonly episode: string;
  /** Such as `15 queries a class`. */
  readonly queries: string;
  /** Such as `Omniglot full set, 4 rotations`. */
  readonly data: string;
}

/** Of a part that says nothing. */
export const noWords: JobWords = { method: '', model: '', episode: '', queries: '', data: '' };

/** The protocol of an evaluation and the training behind it. */
export function protocolCard(facts: ProtocolFacts, spec: JobSpec, words: JobWords): ProtocolCard {
  const card = statedCard(protocolOfJob(spec, facts), words);
  const data = facts.splitDescription || facts.distribution;
  const { ensemble = [] } = facts;
  const of = ensemble.length > 0 ? ` of meta-steps ${ensemble.map(formatCount).join(', ')}` : '';
  const training = joined(', ', card.training, `seed ${spec.seed}`, privacyText(spec, spec.meta.iterations));
  return { ...card, predictions: card.predictions + of, training, data };
}

/** The protocol that a source states. */
export function statedCard(
  { algorithm, meta, evaluation, transductive }: StatedProtocol,
  { method, model, episode, queries, data }: JobWords,
): ProtocolCard {
  return {
    method,
    model,
    episode,
    queries,
    tasks: evaluation?.tasks ? `${formatCount(evaluation.tasks)} ${evaluation.split ?? 'test'} tasks` : '',
    predictions: joined(
      ', ',
      transductive !== undefined && (transductive ? 'transductive' : 'inductive'),
      evaluation?.ensemble && `an ensemble of ${evaluation.ensemble} checkpoints`,
    ),
    training: trainingText(algorithm, meta),
    data,
  };
}

/** A protocol in a sentence. */
export function cardText({
  method,
  model,
  episode,
  queries,
  tasks,
  predictions,
  training,
  data,
}: ProtocolCard): string {
  return joined('; ', joined(', ', method, episode, queries, tasks, predictions), model, training, data);
}

/** Where a figure is from, and its protocol. */
export const publishedText = ({ source, protocol }: PublishedSpec, words = noWords): string =>
  joined('. ', source, cardText(statedCard(protocol, words)));

const joined = (mark: string, ...parts: readonly (string | false | 0 | null | undefined)[]): string =>
  parts.filter((part) => part).join(mark);

function trainingText(algorithm: StatedProtocol['algorithm'], meta: StatedProtocol['meta']): string {
  const { innerSteps, innerLearningRate } = (algorithm ?? {}) as { innerSteps?: number; innerLearningRate?: number };
  const { iterations, batchSize, optimizer, schedule, clipNorm } = meta ?? {};
  const steps = joined(
    ' ',
    iterations && `${formatCount(iterations)} meta-steps`,
    batchSize && `of ${batchSize} tasks`,
  );
  const inner = joined(
    ' ',
    innerSteps && `with ${innerSteps} inner ${innerSteps === 1 ? 'step' : 'steps'}`,
    innerLearningRate && `of rate ${innerLearningRate}`,
  );
  const outer = joined(
    ' ',
    optimizer?.name,
    optimizer?.learningRate && String(optimizer.learningRate),
    schedule?.name && `(${schedule.name})`,
  );
  const text = joined(', ', joined(' ', steps, inner), outer, clipNorm && `clipped to norm ${clipNorm}`);
  return text && `trained for ${text}`;
}
