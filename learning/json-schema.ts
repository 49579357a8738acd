// The job file's JSON Schema, for editors: every section, field, choice and bound, with the words of
// `metatrain parts`. It is what one field at a time can tell; what fields say together is left to
// `metatrain validate`.
import { z } from 'zod';
import { described } from './crd/descriptions.ts';
import { builtIn, type Registry } from './registry.ts';
import { schemaOf } from './schema.ts';
import { nameFields } from './sections.ts';
import { mixtureName } from './tasks/mixture.ts';

/** Draft 7, which editors read. */
export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly [keyword: string]: unknown;
}

/** @param registry the parts that a job file may name. Default: the built-in ones. */
export function jobFileSchema(registry: Registry = builtIn): JsonSchema {
  const json = z.toJSONSchema(schemaOf(registry), {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
    override({ jsonSchema }) {
      // For the API servers of Kubernetes alone.
      delete jsonSchema['x-kubernetes-preserve-unknown-fields'];
      // `task: { mixture: […] }` names its distribution by its list.
      const { properties, required } = jsonSchema;
      const name = properties?.[nameFields.distribution];
      if (typeof name === 'object' && name.const === mixtureName) {
        jsonSchema.required = required?.filter((field) => field !== nameFields.distribution) ?? [];
      }
    },
  }) as JsonSchema;
  const { $schema, ...rest } = described(json, registry);
  return { $schema, title: 'MetaTrain job file', ...rest };
}
