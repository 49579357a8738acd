// The job file's schema, put together from the parts of a registry.
import { z } from 'zod';
import { evaluationSchema } from '../shared/job-spec/evaluation.ts';
import { checkpointSchema, type JobSpec, placementSchema } from '../shared/job-spec/index.ts';
import { metaSchemaOf } from '../shared/job-spec/meta.ts';
import { publishedSchemaOf } from '../shared/job-spec/published.ts';
import type { Registry } from './registry.ts';
import { innerTask, sectionOf } from './sections.ts';

const schemas = new WeakMap<Registry, JobSchema>();

/** What of a job file is as it was written, with every default that its own field has. */
export type WrittenSpec = Omit<JobSpec, 'objective' | 'placement'> & {
  readonly objective?: JobSpec['objective'];
  readonly placement: z.infer<typeof placementSchema>;
};
export type JobSchema = z.ZodType<WrittenSpec>;

export function schemaOf(registry: Registry): JobSchema {
  let schema = schemas.get(registry);
  if (!schema) {
    schema = assemble(registry);
    schemas.set(registry, schema);
  }
  return schema;
}

function assemble(registry: Registry): JobSchema {
  const task = sectionOf('distribution', registry.all('distribution'));
  const model = sectionOf('model', registry.all('model'));
  const algorithm = sectionOf('algorithm', registry.all('algorithm'));
  const objective = sectionOf('objective', registry.all('objective'));
  const optimizer = sectionOf('optimizer', registry.all('optimizer'));
  const meta = metaSchemaOf(optimizer.default(() => optimizer.parse({ name: 'adam' }) as never));
  const evaluation = evaluationSchema.extend({ task: innerTask(() => task).optional() });
  const published = publishedSchemaOf({ task, model, algorithm, objective, meta });
  return z.strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'lower-case letters, digits, ".", "_" and "-", at most 100'),
    tags: z
      .array(
        z
          .string()
          .regex(/^[a-z0-9][a-z0-9._=-]{0,99}$/, 'lower-case letters, digits, ".", "_", "=" and "-", at most 100'),
      )
      .max(20)
      .optional(),
    seed: z.int().min(0).max(4_294_967_295).default(1),
    task,
    model,
    algorithm,
    objective: objective.optional(),
    meta,
    evaluation: evaluation.default(() => evaluation.parse({}) as never),
    checkpoint: checkpointSchema.default(() => checkpointSchema.parse({})),
    placement: placementSchema.default(() => placementSchema.parse({})),
    published: published.optional(),
  }) as unknown as JobSchema;
}
