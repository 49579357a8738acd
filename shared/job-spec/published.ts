// The `published` section: the figure that a job is compared with, and the protocol behind it. The
// protocol is stated in the job file's own fields, so that a program can compare it with the job; only
// what no field holds is prose. A field that is left out is one that the source does not tell.
import { z } from 'zod';
import { type AlgorithmSpec, algorithmSchema } from './algorithm.ts';
import { type EvaluationSpec, evaluationSchema } from './evaluation.ts';
import { type MetaSpec, metaSchema } from './meta.ts';
import { type ModelSpec, modelSchema } from './model.ts';
import { type TaskSpec, taskSchema } from './task.ts';

/**
 * Any part of a section. `null`: the source has no such thing, such as no clipping of the
 * meta-gradient.
 */
type Stated<Section> = Section extends readonly unknown[]
  ? Section
  : Section extends object
    ? { readonly [Field in keyof Section]?: Stated<Section[Field]> | null }
    : Section;

/** How a figure was made, as far as it is known. */
export interface StatedProtocol {
  readonly task?: Stated<TaskSpec>;
  readonly model?: Stated<ModelSpec>;
  readonly algorithm?: Stated<AlgorithmSpec>;
  readonly meta?: Stated<MetaSpec>;
  readonly evaluation?: Stated<Omit<EvaluationSpec, 'every'>>;
  /**
   * Whether a prediction for one query example may use the other query examples. Not a field of a job
   * file: the model decides it.
   */
  readonly transductive?: boolean;
}

const protocolSchema = z.strictObject({
  task: stated(taskSchema).optional(),
  model: stated(modelSchema).optional(),
  algorithm: stated(algorithmSchema).optional(),
  meta: stated(metaSchema).optional(),
  evaluation: stated(evaluationSchema.omit({ every: true })).optional(),
  transductive: z.boolean().optional(),
}) as unknown as z.ZodType<StatedProtocol>;

export const publishedSchema = z.strictObject({
  /** Method and paper, such as `MAML, Finn et al. 2017, §5.1`. */
  source: z.string().min(1).max(400),
  metric: z.enum(['loss', 'accuracy']),
  /** Inner steps → value (accuracy from 0 to 1), with a 95 % half-width where the source gives one. */
  byInnerStep: z.record(
    z.string().regex(/^(0|[1-9]\d*)$/),
    z.strictObject({ mean: z.number(), halfWidth95: z.number().min(0).optional() }),
  ),
  protocol: protocolSchema.default({}),
  /** What this job does otherwise than the source and no field of `protocol` says. */
  differences: z.array(z.string().max(400)).max(20).default([]),
});

export type PublishedSpec = z.infer<typeof publishedSchema>;

/**
 * The same fields and checks, with every field optional, no defaults, and the name that chooses among
 * several schemas required.
 */
function stated(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault) return stated(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodOptional) return stated(schema.unwrap() as z.ZodType).nullable();
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const options = schema.options.map((option) => stated(option as z.ZodType) as z.core.$ZodTypeDiscriminable);
    return z.discriminatedUnion(schema.def.discriminator, options as [z.core.$ZodTypeDiscriminable]);
  }
  if (!(schema instanceof z.ZodObject)) return schema;
  const fields = Object.entries(schema.shape as Readonly<Record<string, z.ZodType>>).map(([name, field]) => [
    name,
    field instanceof z.ZodLiteral ? field : stated(field).optional(),
  ]);
  return z.strictObject(Object.fromEntries(fields));
}
