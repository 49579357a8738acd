// Regression on step functions: y = −1 for x < t and 1 from t on, with t and x uniform. The tasks
// of Harrison, Sharma & Pavone 2018, whose jump a smooth adaptation cannot follow. Levels and
// ranges are fields of the job file.
import { z } from 'zod';
import { finite } from '../../shared/job-spec/fields.ts';
import {
  curveCel,
  curveFacts,
  curveTasks,
  curveWords,
  pointFields,
  rangeProblems,
  rangeText,
  withQueries,
} from '../kit/curves.ts';
import { defineDistribution } from '../part.ts';

export const stepFunction = defineDistribution({
  name: 'step-function',
  title: 'regression on step functions',
  summary: 'points on a function with one jump, at a place of each task',
  paper: 'after Harrison, Sharma & Pavone 2018',
  schema: z.strictObject({
    ...pointFields,
    /** Range of t. */
    jump: z.tuple([finite, finite]).default([-2.5, 2.5]),
    /** y before the jump, and from the jump on. */
    levels: z.tuple([finite, finite]).default([-1, 1]),
    /** Range of x. */
    input: z.tuple([finite, finite]).default([-5, 5]),
  }),
  variants: { steps: { shots: 4, queries: 3 } },
  complete: withQueries,
  check: ({ jump, input }) => rangeProblems({ jump, input }),
  describe: (spec) => curveWords(spec, 'step functions'),
  facts: curveFacts,
  cel: (fields) => curveCel(fields, ['jump', 'input']),
  open: async ({ jump, levels: [before, after], input }, { seed }) =>
    curveTasks(
      seed,
      `step functions y = ${before} for x < t, otherwise ${after}; t in ${rangeText(jump)}, x in ${rangeText(input)}`,
      (rng) => {
        const t = rng.between(...jump);
        return { x: () => rng.between(...input), y: (x) => (x < t ? before : after) };
      },
    ),
});
