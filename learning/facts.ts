// What follows from a job file alone: what its tasks look like, and which parameters θ is made of. No
// data set is opened and no engine is loaded for it.
import type { Rng } from '../shared/rng.ts';
import type { CelFacts } from './cel.ts';

/**
 * What a task can consist of. Support and query sets are examples with targets, a description is
 * one input a class, and `outside` are inputs of none of the task's classes, which evaluations try
 * to reject. A stream is examples with targets in one order, each of which is predicted before its
 * target is seen. The others are what their names say.
 */
export type TaskSet = 'support' | 'query' | 'description' | 'outside' | 'stream' | 'episode';

export interface TaskFacts {
  readonly sets: readonly TaskSet[];
  /** What is predicted: numbers, one of several classes (one-hot), or what to do. */
  readonly target: 'values' | 'classes' | 'actions';
  readonly inputKind: 'vector' | 'image' | 'tokens' | 'observation';
  /** Shape of one example's input, without the batch axis. An image is [height, width, channels]. */
  readonly input: readonly number[];
  /** Of tokens: how many there are. Inputs are whole numbers below it, and 0 fills up what is shorter than the input. */
  readonly vocabulary?: number;
  /** Length of one example's target: the predicted values, or the classes in one-hot code. */
  readonly outputs: number;
  readonly supportExamples: number;
  readonly queryExamples: number;
  /** Of a classification: classes a task. */
  readonly ways?: number;
  /** Support examples a class; a task where there are no classes. */
  readonly shots: number;
  /** Query examples a class; a task where there are no classes. */
  readonly queries: number;
  /**
   * Of a stream of classes: how often each is shown. Its examples are the support examples, and
   * `shots` is the same number.
   */
  readonly presentations?: number;
  /** The arrays of one task by name, float32, without a task axis. */
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[] }>>;
}

/** What differs between tasks of support and query examples. */
export type ExampleFacts = Omit<TaskFacts, 'sets' | 'tensors' | 'supportExamples' | 'queryExamples' | 'presentations'>;

/** Tasks of a support and a query set: `ways` × `shots` and `ways` × `queries` examples. */
export function supportAndQuery(facts: ExampleFacts): TaskFacts {
  const { ways = 1, shots, queries, input, outputs } = facts;
  const [supportExamples, queryExamples] = [ways * shots, ways * queries];
  return {
    ...facts,
    sets: ['support', 'query'],
    supportExamples,
    queryExamples,
    tensors: {
      supportInputs: { shape: [supportExamples, ...input] },
      supportTargets: { shape: [supportExamples, outputs] },
      queryInputs: { shape: [queryExamples, ...input] },
      queryTargets: { shape: [queryExamples, outputs] },
    },
  };
}

/**
 * Tasks of one sequence: `ways` × `presentations` examples. There is no query set: each example is
 * one before its target is seen.
 */
export function streamOf(
  facts: Omit<ExampleFacts, 'shots' | 'queries'> & { readonly ways: number },
  presentations: number,
): TaskFacts {
  const { ways, input, outputs } = facts;
  const examples = ways * presentations;
  return {
    ...facts,
    shots: presentations,
    queries: 0,
    presentations,
    sets: ['stream'],
    supportExamples: examples,
    queryExamples: 0,
    tensors: {
      streamInputs: { shape: [examples, ...input] },
      streamTargets: { shape: [examples, outputs] },
    },
  };
}

/** A stream where the job file says how often each class is shown, otherwise a support and a query set. */
export const episodeFacts = (
  facts: ExampleFacts & { readonly ways: number },
  presentations: number | undefined,
): TaskFacts => (presentations === undefined ? supportAndQuery(facts) : streamOf(facts, presentations));

/** As `supportAndQuery`, with an expression of CEL for each number. */
export function supportAndQueryCel({
  ways = '1',
  shots,
  queries,
  ...facts
}: Omit<CelFacts, 'sets' | 'supportExamples' | 'queryExamples'> & {
  readonly ways?: string;
  readonly shots: string;
  readonly queries: string;
}): CelFacts {
  return {
    ...facts,
    sets: ['support', 'query'],
    supportExamples: ways === '1' ? shots : `${ways} * ${shots}`,
    queryExamples: ways === '1' ? queries : `${ways} * ${queries}`,
  };
}

/**
 * As `episodeFacts`, with an expression of CEL for each number. @param presentations the job file's field.
 */
export function episodeFactsCel(
  facts: Parameters<typeof supportAndQueryCel>[0] & { readonly ways: string },
  presentations: string,
): CelFacts {
  const { supportExamples, queryExamples, ...others } = supportAndQueryCel(facts);
  const isStream = `has(${presentations})`;
  return {
    ...others,
    isStream,
    supportExamples: `(${isStream} ? ${facts.ways} * ${presentations} : ${supportExamples})`,
    queryExamples: `(${isStream} ? 0 : ${queryExamples})`,
  };
}

/** Fields of a distribution of images to classify. */
interface ImageFields<Count> {
  readonly ways: Count;
  readonly shots: Count;
  readonly queries: Count;
}

const imagesOf = <Count, Input>(input: Input, { ways, shots, queries }: ImageFields<Count>) =>
  ({ target: 'classes', inputKind: 'image', input, outputs: ways, ways, shots, queries }) as const;

/** As `episodeFacts`, of images to classify. @param input height, width, channels. */
export const imageFacts = (
  input: TaskFacts['input'],
  fields: ImageFields<number> & { readonly presentations?: number | undefined },
): TaskFacts => episodeFacts(imagesOf(input, fields), fields.presentations);

/** As `imageFacts`, with an expression of CEL for each number. */
export const imageFactsCel = (
  input: CelFacts['input'],
  fields: ImageFields<string> & { readonly presentations?: string },
): CelFacts => {
  const { presentations } = fields;
  const facts = imagesOf(input, fields);
  return presentations === undefined ? supportAndQueryCel(facts) : episodeFactsCel(facts, presentations);
};

/** Tasks of a query set and an input for each class that describes it, without examples: zero-shot. `shots` is 0. */
export function descriptionAndQuery(facts: Omit<ExampleFacts, 'shots'> & { readonly ways: number }): TaskFacts {
  const { ways, queries, input, outputs } = facts;
  const queryExamples = ways * queries;
  return {
    ...facts,
    shots: 0,
    sets: ['description', 'query'],
    supportExamples: 0,
    queryExamples,
    tensors: {
      descriptionInputs: { shape: [ways, ...input] },
      queryInputs: { shape: [queryExamples, ...input] },
      queryTargets: { shape: [queryExamples, outputs] },
    },
  };
}

/** The tasks with so many inputs of none of their classes; as they are for 0. */
export const withOutside = (facts: TaskFacts, examples: number): TaskFacts =>
  examples === 0
    ? facts
    : {
        ...facts,
        sets: [...facts.sets, 'outside'],
        tensors: { ...facts.tensors, outsideInputs: { shape: [examples, ...facts.input] } },
      };

/** Draws one first value of a parameter. */
export type Initializer = (rng: Rng) => number;

/** One tensor of θ. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly initialize: Initializer;
  /** What it is to the model: `head` makes predictions from features. Default: `body`. */
  readonly part?: 'body' | 'head';
  /** Whether it scales or shifts what batch norm, or another normalization, has made even. Default: no. */
  readonly isNormalization?: boolean;
  /** Parameters of a group share a meta learning rate and a clipping of their own (`meta.groups`). Default: `model`. */
  readonly group?: string;
  /**
   * What becomes of a task's contribution to it. `gradient` (default): it is a meta-gradient, for the meta-optimizer. `average`: it is a
   * value, and the mean over tasks is the new value. `fixed`: there is none; the first value stays.
   */
  readonly update?: 'gradient' | 'average' | 'fixed';
}

/**
 * The layers of a model in the order of their parameters, each with the names of its parameters.
 * The parameters of a layer share what stands before the first `.` of their names, such as `conv1`
 * of `conv1.filters`.
 */
export function layersOf(parameters: readonly Parameter[]): ReadonlyMap<string, readonly string[]> {
  const layers = new Map<string, string[]>();
  for (const { name } of parameters) {
    const layer = name.split('.')[0]!;
    layers.set(layer, [...(layers.get(layer) ?? []), name]);
  }
  return layers;
}

/** The parameters of the head; none where the model has no such part. */
export const headOf = (parameters: readonly Parameter[]): readonly Parameter[] =>
  parameters.filter(({ part }) => part === 'head');

/** All parameters but those of the head. */
export const bodyOf = (parameters: readonly Parameter[]): readonly Parameter[] =>
  parameters.filter(({ part }) => part !== 'head');

/**
 * How many features the head predicts from: the rows of its matrix. Undefined where the model has
 * no such head.
 */
export const featureCount = (parameters: readonly Parameter[]): number | undefined =>
  headOf(parameters).find(({ shape }) => shape.length === 2)?.shape[0];

/** A model's running statistics. */
export const runningOf = (model: readonly Parameter[]): readonly Parameter[] =>
  model.filter(({ update }) => update === 'average');

/** A model's parameters without its running statistics: what algorithms see. */
export const learnedOf = (model: readonly Parameter[]): readonly Parameter[] =>
  model.filter(({ update }) => update !== 'average');
