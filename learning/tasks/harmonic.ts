// Harmonic regression: y = a₁·sin(ω·x + b₁) + a₂·sin(2·ω·x + b₂), with aᵢ standard normal, bᵢ
// uniform in [0, 2π] and ω uniform; x is normal with deviation 1 around a mean that is drawn for
// each task (Lacoste, Oreshkin, Chung, Boquet, Rostamzadeh & Krueger 2018).
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

export const harmonic = defineDistribution({
  name: 'harmonic',
  title: 'harmonic regression',
  summary: 'points on a sine wave and its first overtone, around a mean of each task',
  paper: 'Lacoste, Oreshkin, Chung, Boquet, Rostamzadeh & Krueger 2018',
  schema: z.strictObject({
    ...pointFields,
    /** Range of ω. */
    frequency: z.tuple([finite, finite]).default([5, 7]),
    /** Range of the mean of x. */
    centre: z.tuple([finite, finite]).default([-4, 4]),
  }),
  variants: { harmonics: { shots: 4, queries: 3 } },
  complete: withQueries,
  check: ({ frequency, centre }) => rangeProblems({ frequency, centre }),
  describe: (spec) => curveWords(spec, 'harmonics'),
  facts: curveFacts,
  cel: (fields) => curveCel(fields, ['frequency', 'centre']),
  open: async ({ frequency, centre }, { seed }) =>
    curveTasks(
      seed,
      `harmonics y = a₁·sin(ω·x + b₁) + a₂·sin(2·ω·x + b₂), ω in ${rangeText(frequency)}, x around a mean in ${rangeText(centre)}`,
      (rng) => {
        const omega = rng.between(...frequency);
        const mean = rng.between(...centre);
        const [a1, a2] = [rng.normal(), rng.normal()];
        const [b1, b2] = [rng.between(0, 2 * Math.PI), rng.between(0, 2 * Math.PI)];
        return {
          x: () => mean + rng.normal(),
          y: (x) => a1 * Math.sin(omega * x + b1) + a2 * Math.sin(2 * omega * x + b2),
        };
      },
    ),
});
