// The bodies of POST /api/v1/models/…: their fields, spelled as proto/ does.
import { z } from 'zod';

const inputs = {
  numbers: z.array(z.number()).optional(),
  images: z.array(z.base64()).optional(),
  texts: z.array(z.string()).optional(),
};
const supportSet = z.strictObject({
  ...inputs,
  targets: z.array(z.number()).default([]),
  labels: z.array(z.string()).default([]),
});
const choice = {
  step: z.int().min(0).optional(),
  inner_steps: z.int().min(0).optional(),
};

/** POST /models/adapt */
export const adaptBody = z.strictObject({
  job_id: z.string(),
  ...choice,
  support: z.array(supportSet),
  keep_seconds: z.int().min(0).default(0),
  return_state: z.boolean().default(false),
});
/** POST /models/predict */
export const predictBody = z.strictObject({
  adapted_id: z.string().optional(),
  job_id: z.string().optional(),
  ...choice,
  support: supportSet.optional(),
  queries: z.strictObject(inputs),
});

export type GivenSupport = z.infer<typeof supportSet>;
export type GivenInputs = z.infer<z.ZodObject<typeof inputs>>;

/** What reads a body. */
export interface BodySchema<Body> {
  safeParse(value: unknown): z.ZodSafeParseResult<Body>;
}
