// Where each kind of part stands in a job file, and the schema of such a section: one option for each
// part of a kind.
import { z } from 'zod';
import { learningRate } from '../shared/job-spec/meta.ts';
import type { PartKind, PartSchema } from './part.ts';

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

export function sectionOf(kind: PartKind, parts: readonly { readonly name: string; readonly schema: PartSchema }[]) {
  const field = nameFields[kind];
  const options = parts.map(({ name, schema }) =>
    z.strictObject({ [field]: z.literal(name), ...commonFields[kind], ...schema.shape }),
  );
  return z.discriminatedUnion(field, options as unknown as [z.core.$ZodTypeDiscriminable]);
}

/**
 * A section of tasks inside another section. An API server of Kubernetes takes any object there, which the
 * coordinator checks: the whole section once more would make its definition too large.
 */
export const innerTask = (section: () => z.ZodType) =>
  z.lazy(section).meta({
    description: 'a section of tasks, as in task',
    'x-kubernetes-preserve-unknown-fields': true,
  });
