// What follows from a job file alone: what its tasks look like, and which parameters θ is made of. No
// data set is opened and no engine is loaded for it.
import type { Rng } from '../shared/rng.ts';
import type { CelFacts } from './cel.ts';

/** What a task can consist of. Support and query sets are examples with targets; the others are what their names say. */
export type TaskSet = 'support' | 'query' | 'description' | 'stream' | 'episode';

export interface TaskFacts {
  readonly sets: readonly TaskSet[];
  /** What is predicted: numbers, one of several classes (one-hot), or what to do. */
  readonly target: 'values' | 'classes' | 'actions';
  readonly inputKind: 'vector' | 'image' | 'tokens' | 'observation';
  /** Shape of one example's input, without the batch axis. An image is [height, width, channels]. */
  readonly input: readonly number[];
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
  /** The arrays of one task by name, float32, without a task axis. */
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[] }>>;
}

/** What differs between tasks of support and query examples. */
export type ExampleFacts = Omit<TaskFacts, 'sets' | 'tensors' | 'supportExamples' | 'queryExamples'>;

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
    supportExamples: `${ways} * ${shots}`,
    queryExamples: `${ways} * ${queries}`,
  };
}

/** Draws one first value of a parameter. */
export type Initializer = (rng: Rng) => number;

/** One tensor of θ. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly initialize: Initializer;
  /** What it is to the model: `head` makes predictions from features. Default: `body`. */
  readonly part?: 'body' | 'head';
  /** Parameters of a group share a meta learning rate and a clipping of their own (`meta.groups`). Default: `model`. */
  readonly group?: string;
  /**
   * What becomes of a task's contribution to it. `gradient` (default): it is a meta-gradient, for the meta-optimizer. `average`: it is a
   * value, and the mean over tasks is the new value. `fixed`: there is none; the first value stays.
   */
  readonly update?: 'gradient' | 'average' | 'fixed';
}

/** The parameters of the head; none where the model has no such part. */
export const headOf = (parameters: readonly Parameter[]): readonly Parameter[] =>
  parameters.filter(({ part }) => part === 'head');

/** All parameters but those of the head. */
export const bodyOf = (parameters: readonly Parameter[]): readonly Parameter[] =>
  parameters.filter(({ part }) => part !== 'head');
