// What a file of examples/published says of a figure that can be reproduced, and when the gate of
// its quick version is passed.
import { z } from 'zod';
import type { Measure } from './measures.ts';

/** At a point of the measure's axis. */
const bound = z.union([z.strictObject({ atLeast: z.number() }), z.strictObject({ atMost: z.number() })]);

const gate = z.strictObject({ measure: z.string(), at: z.record(z.string(), bound) });

export const reproductionSchema = z.strictObject({
  title: z.string(),
  /** The job file, from this file's folder. */
  job: z.string(),
  /** On two cores. */
  minutes: z.number(),
  /** What others printed for the same protocol. */
  replicated: z.array(z.string()),
  quick: z.strictObject({
    minutes: z.number(),
    /** Changes to the job file, as `--set` takes them. */
    set: z.array(z.string()),
    gate,
  }),
});

export type Gate = z.infer<typeof gate>;

export type Reproduction = z.infer<typeof reproductionSchema>;

/** What of a gate an evaluation misses, in words; empty where it passes. */
export function missedOf({ measure, at }: Gate, measures: readonly Measure[]): string[] {
  const measured = measures.find(({ name }) => name === measure);
  if (!measured) return [`${measure} was not measured`];
  return Object.entries(at).flatMap(([point, wanted]) => {
    const mean = measured.estimates[measured.points.indexOf(point)]?.mean;
    const where = `${measure} at ${measured.axis} ${point}`;
    if (mean === undefined) return [`${where} was not measured`];
    if ('atLeast' in wanted)
      return mean >= wanted.atLeast ? [] : [`${where}: ${mean} instead of at least ${wanted.atLeast}`];
    return mean <= wanted.atMost ? [] : [`${where}: ${mean} instead of at most ${wanted.atMost}`];
  });
}
