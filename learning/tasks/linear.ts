// Regression on lines: y = a·x + b with a, b and x uniform, by default in the ranges of the lines
// of Finn, Xu & Levine 2018, without their noise.
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

export const linear = defineDistribution({
  name: 'linear',
  title: 'regression on lines',
  summary: 'points on y = a·x + b, with a, b and x uniform',
  paper: 'Finn, Xu & Levine 2018',
  schema: z.strictObject({
    ...pointFields,
    /** Range of a. */
    slope: z.tuple([finite, finite]).default([-3, 3]),
    /** Range of b. */
    intercept: z.tuple([finite, finite]).default([-3, 3]),
    /** Range of x. */
    input: z.tuple([finite, finite]).default([-5, 5]),
  }),
  variants: { lines: { shots: 4, queries: 3 } },
  complete: withQueries,
  check: ({ slope, intercept, input }) => rangeProblems({ slope, intercept, input }),
  describe: (spec) => curveWords(spec, 'lines'),
  facts: curveFacts,
  cel: (fields) => curveCel(fields, ['slope', 'intercept', 'input']),
  open: async ({ slope, intercept, input }, { seed }) =>
    curveTasks(
      seed,
      `lines y = a·x + b, a in ${rangeText(slope)}, b in ${rangeText(intercept)}, x in ${rangeText(input)}`,
      (rng) => {
        const a = rng.between(...slope);
        const b = rng.between(...intercept);
        return { x: () => rng.between(...input), y: (x) => a * x + b };
      },
    ),
});
