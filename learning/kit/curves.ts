// Regressions on points of a function of one number that is drawn anew for each task: the fields, facts and
// sampling that they share. Tasks are drawn without end, so the splits differ in their random
// streams alone and share no task but by chance of 2⁻⁶⁴.

import type { FieldProblem } from '../../shared/job-spec/explain.ts';
import { count } from '../../shared/job-spec/fields.ts';
import { type Rng, taskRng } from '../../shared/rng.ts';
import { supportAndQuery, supportAndQueryCel, type TaskFacts } from '../facts.ts';
import type { TaskWords } from '../part.ts';
import type { Tasks } from '../tasks.ts';
import { isRange } from './fields.ts';

export const pointFields = {
  /** Support points a task. */
  shots: count.default(5),
  /** Query points a task; defaults to `shots`. */
  queries: count.optional(),
};

interface Points {
  readonly shots: number;
  readonly queries?: number | undefined;
}

type Range = readonly [number, number];

export const curveFacts = ({ shots, queries = shots }: Points): TaskFacts =>
  supportAndQuery({ target: 'values', inputKind: 'vector', input: [1], outputs: 1, shots, queries });

/** Facts and ranges for an API server. @param fields names of the job file's fields, by field. @param ranges those that are ranges. */
export const curveCel = <Field extends string>(
  fields: Readonly<Record<Field | 'shots' | 'queries', string>>,
  ranges: readonly Field[],
) => ({
  facts: supportAndQueryCel({
    target: 'values',
    inputKind: 'vector',
    input: ['1'],
    outputs: '1',
    shots: fields.shots,
    queries: `(has(${fields.queries}) ? ${fields.queries} : ${fields.shots})`,
  }),
  check: ranges.map((field) => ({
    rule: `${fields[field]}[0] <= ${fields[field]}[1]`,
    message: `task.${field}: accepted: a range [low, high] with low ≤ high`,
  })),
});

export const withQueries = <Spec extends Points>(spec: Spec): Spec => ({
  ...spec,
  queries: spec.queries ?? spec.shots,
});

export const curveWords = (
  { shots, queries }: { readonly shots?: number | null | undefined; readonly queries?: number | null | undefined },
  data: string,
): TaskWords => ({
  episode: shots ? `${shots} support points` : '',
  queries: queries ? `${queries} query ${queries === 1 ? 'point' : 'points'}` : '',
  data,
});

/** @param ranges by field of the job file's task section. */
export const rangeProblems = (ranges: Readonly<Record<string, Range>>): readonly FieldProblem[] =>
  Object.entries(ranges)
    .filter(([, range]) => !isRange(range))
    .map(([field, range]) => ({
      field: `task.${field}`,
      got: `[${range.join(', ')}]`,
      accepted: 'a range [low, high] with low ≤ high',
    }));

export const rangeText = (bounds: Range): string =>
  `[${bounds.map((bound) => Number(bound.toPrecision(6))).join(', ')}]`;

/** One task: how an x is drawn, and its y. */
export interface Curve {
  x(rng: Rng): number;
  y(x: number): number;
}

/** @param draw one task's function, from its stream, which then gives the points. @param description of the tasks. */
export const curveTasks = (seed: number, description: string, draw: (rng: Rng) => Curve): Tasks => ({
  splitDescription: `${description}; every split draws new tasks without end`,
  data: [],
  classes: () => [],
  sample(split, index, { supportInputs, supportTargets, queryInputs, queryTargets }) {
    const rng = taskRng(seed, split, index);
    const curve = draw(rng);
    const fill = (inputs: Float32Array, targets: Float32Array) => {
      for (let i = 0; i < inputs.length; i++) {
        const x = curve.x(rng);
        inputs[i] = x;
        targets[i] = curve.y(x);
      }
    };
    fill(supportInputs!, supportTargets!);
    fill(queryInputs!, queryTargets!);
  },
});
