// The job file's schema, put together from the parts of a registry.
import { z } from 'zod';
import { evaluationSchema } from '../shared/job-spec/evaluation.ts';
import { checkpointSchema, type JobSpec, placementSchema } from '../shared/job-spec/index.ts';
import { learningRate, metaSchemaOf } from '../shared/job-spec/meta.ts';
import { publishedSchemaOf } from '../shared/job-spec/published.ts';
import type { PartKind } from './part.ts';
import type { Registry } from './registry.ts';

/** The field of a section that names its part. */
export const nameFields = {
  distribution: 'distribution',
  model: 'architecture',
  algorithm: 'name',
  objective: 'name',
  optimizer: 'name',
} as const satisfies Record<PartKind, string>;

/** The fields of every part of a kind, after the name. */
export const commonFields: Readonly<Record<PartKind, z.core.$ZodLooseShape>> = {
  distribution: {},
  model: {},
  algorithm: {},
  objective: {},
  optimizer: { learningRate },
};

/** Where a kind's section is in the job file. */
export const sectionPaths = {
  distribution: 'task',
  model: 'model',
  algorithm: 'algorithm',
  objective: 'objective',
  optimizer: 'meta.optimizer',
} as const satisfies Record<PartKind, string>;

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
  const task = sectionOf(registry, 'distribution');
  const model = sectionOf(registry, 'model');
  const algorithm = sectionOf(registry, 'algorithm');
  const objective = sectionOf(registry, 'objective');
  const optimizer = sectionOf(registry, 'optimizer');
  const meta = metaSchemaOf(optimizer.default(() => optimizer.parse({ name: 'adam' }) as never));
  const published = publishedSchemaOf({ task, model, algorithm, objective, meta });
  return z.strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'lower-case letters, digits, ".", "_" and "-", at most 100'),
    seed: z.int().min(0).max(4_294_967_295).default(1),
    task,
    model,
    algorithm,
    objective: objective.optional(),
    meta,
    evaluation: evaluationSchema.default(() => evaluationSchema.parse({})),
    checkpoint: checkpointSchema.default(() => checkpointSchema.parse({})),
    placement: placementSchema.default(() => placementSchema.parse({})),
    published: published.optional(),
  }) as unknown as JobSchema;
}

function sectionOf(registry: Registry, kind: PartKind) {
  const field = nameFields[kind];
  const options = registry
    .all(kind)
    .map(({ name, schema }) => z.strictObject({ [field]: z.literal(name), ...commonFields[kind], ...schema.shape }));
  return z.discriminatedUnion(field, options as unknown as [z.core.$ZodTypeDiscriminable]);
}
