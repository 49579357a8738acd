// Sinusoid regression: y = A·sin(x − φ) with A, φ and x uniform (Finn et al. 2017, §5.1). Tasks are drawn
// without end, so the splits differ in their random streams alone and share no task but by chance of 2⁻⁶⁴.
import { z } from 'zod';
import { count, finite } from '../../shared/job-spec/fields.ts';
import { taskRng } from '../../shared/rng.ts';
import { supportAndQuery, supportAndQueryCel } from '../facts.ts';
import { isRange } from '../kit/fields.ts';
import { defineDistribution } from '../part.ts';

export const sinusoid = defineDistribution({
  name: 'sinusoid',
  title: 'sinusoid regression',
  summary: 'points on y = A·sin(x − φ), with A, φ and x uniform',
  paper: 'Finn, Abbeel & Levine 2017, §5.1',
  schema: z.strictObject({
    /** Support points a task. */
    shots: count.default(5),
    /** Query points a task; defaults to `shots`. */
    queries: count.optional(),
    /** Range of A. */
    amplitude: z.tuple([finite, finite]).default([0.1, 5]),
    /** Range of φ, radians. */
    phase: z.tuple([finite, finite]).default([0, Math.PI]),
    /** Range of x. */
    input: z.tuple([finite, finite]).default([-5, 5]),
  }),
  variants: { 'as in MAML': { shots: 4, queries: 3 } },
  complete: (spec) => ({ ...spec, queries: spec.queries ?? spec.shots }),
  check: (spec) =>
    (['amplitude', 'phase', 'input'] as const)
      .filter((field) => !isRange(spec[field]))
      .map((field) => ({
        field: `task.${field}`,
        got: `[${spec[field].join(', ')}]`,
        accepted: 'a range [low, high] with low ≤ high',
      })),
  describe: ({ shots, queries }) => ({
    episode: shots ? `${shots} support points` : '',
    queries: queries ? `${queries} query ${queries === 1 ? 'point' : 'points'}` : '',
    data: 'sinusoid',
  }),
  facts: ({ shots, queries = shots }) =>
    supportAndQuery({ target: 'values', inputKind: 'vector', input: [1], outputs: 1, shots, queries }),
  cel(fields) {
    const { shots } = fields;
    return {
      facts: supportAndQueryCel({
        target: 'values',
        inputKind: 'vector',
        input: ['1'],
        outputs: '1',
        shots,
        queries: `(has(${fields.queries}) ? ${fields.queries} : ${shots})`,
      }),
      check: (['amplitude', 'phase', 'input'] as const).map((field) => ({
        rule: `${fields[field]}[0] <= ${fields[field]}[1]`,
        message: `task.${field}: accepted: a range [low, high] with low ≤ high`,
      })),
    };
  },
  async open({ amplitude, phase, input }, { seed }) {
    const range = (bounds: readonly [number, number]) =>
      `[${bounds.map((bound) => Number(bound.toPrecision(6))).join(', ')}]`;
    return {
      splitDescription:
        `sinusoids y = A·sin(x − φ), A in ${range(amplitude)}, φ in ${range(phase)}, x in ${range(input)}; ` +
        'every split draws new tasks without end',
      data: [],
      classes: () => [],
      sample(split, index, { supportInputs, supportTargets, queryInputs, queryTargets }) {
        const rng = taskRng(seed, split, index);
        const a = rng.between(...amplitude);
        const phi = rng.between(...phase);
        const draw = (inputs: Float32Array, targets: Float32Array) => {
          for (let i = 0; i < inputs.length; i++) {
            const x = rng.between(...input);
            inputs[i] = x;
            targets[i] = a * Math.sin(x - phi);
          }
        };
        draw(supportInputs!, supportTargets!);
        draw(queryInputs!, queryTargets!);
      },
    };
  },
});
