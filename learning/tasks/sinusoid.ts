// Sinusoid regression: y = A·sin(x − φ) with A, φ and x uniform (Finn et al. 2017, §5.1).
import { z } from 'zod';
import { finite } from '../../shared/job-spec/fields.ts';
import { curveCel, curveFacts, curveTasks, curveWords, pointFields, rangeProblems, rangeText, withQueries } from '../kit/curves.ts'; // biome-ignore format: one line
import { defineDistribution } from '../part.ts';

export const sinusoid = defineDistribution({
  name: 'sinusoid',
  title: 'sinusoid regression',
  summary: 'points on y = A·sin(x − φ), with A, φ and x uniform',
  paper: 'Finn, Abbeel & Levine 2017, §5.1',
  schema: z.strictObject({
    ...pointFields,
    /** Range of A. */
    amplitude: z.tuple([finite, finite]).default([0.1, 5]),
    /** Range of φ, radians. */
    phase: z.tuple([finite, finite]).default([0, Math.PI]),
    /** Range of x. */
    input: z.tuple([finite, finite]).default([-5, 5]),
  }),
  variants: { 'as in MAML': { shots: 4, queries: 3 } },
  complete: withQueries,
  check: ({ amplitude, phase, input }) => rangeProblems({ amplitude, phase, input }),
  describe: (spec) => curveWords(spec, 'sinusoid'),
  facts: curveFacts,
  cel: (fields) => curveCel(fields, ['amplitude', 'phase', 'input']),
  open: async ({ amplitude, phase, input }, { seed }) =>
    curveTasks(
      seed,
      `sinusoids y = A·sin(x − φ), A in ${rangeText(amplitude)}, φ in ${rangeText(phase)}, x in ${rangeText(input)}`,
      (rng) => {
        const a = rng.between(...amplitude);
        const phi = rng.between(...phase);
        return { x: () => rng.between(...input), y: (x) => a * Math.sin(x - phi) };
      },
    ),
});
