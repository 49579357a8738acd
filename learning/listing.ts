// Every part with what it says of itself and what its section of the job file takes: for `metatrain
// parts` and docs/parts.md.
import { z } from 'zod';
import type { PluginIdentity } from '../shared/plugin-identity.ts';
import type { PartKind, PartSchema } from './part.ts';
import type { Registry } from './registry.ts';
import { commonFields } from './sections.ts';

export interface FieldListing {
  readonly name: string;
  /** In words, such as `whole number, 1 to 1000`. */
  readonly accepted: string;
  /** Absent: there is none, or it follows from other fields. */
  readonly default?: unknown;
  readonly isRequired: boolean;
}

export interface PartListing {
  readonly kind: PartKind;
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  /** Empty where there is nothing to cite. */
  readonly paper: string;
  /** Besides the name, in the schema's order. */
  readonly fields: readonly FieldListing[];
  /** Where it came from; null for a built-in part. */
  readonly plugin: (PluginIdentity & { readonly file: string }) | null;
}

/** By kind, in order of registration. */
export const listParts = (registry: Registry): PartListing[] =>
  registry.list().map(({ part, plugin }) => {
    const { kind, name, title, summary, paper } = part;
    const schema = z.strictObject({ ...commonFields[kind], ...part.schema.shape });
    const from = plugin ? { name: plugin.name, sha256: plugin.sha256, file: plugin.file } : null;
    return { kind, name, title, summary, paper, fields: fieldsOf(schema), plugin: from };
  });

interface JsonSchema {
  /** In place of words that follow from the schema. */
  readonly description?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

function fieldsOf(schema: PartSchema): FieldListing[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
  }) as JsonSchema;
  return Object.entries(properties).map(([name, field]) => ({
    name,
    accepted: acceptedWords(field),
    ...(field.default !== undefined && { default: field.default }),
    isRequired: required.includes(name),
  }));
}

/** What a field takes, in words; its description, where it has one. */
export function acceptedWords(schema: JsonSchema): string {
  const { type, items, prefixItems, properties, description } = schema;
  if (description !== undefined) return description;
  const choices = schema.anyOf ?? schema.oneOf;
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum) return schema.enum.map(String).join(' | ');
  if (choices) return choices.map(acceptedWords).join(' | ');
  const types: unknown = type;
  if (Array.isArray(types)) return types.map((one: string) => acceptedWords({ ...schema, type: one })).join(' | ');
  if (type === 'boolean') return 'true | false';
  if (type === 'integer' || type === 'number')
    return `${type === 'integer' ? 'whole number' : 'number'}${rangeOf(schema)}`;
  if (type === 'array' && prefixItems) return `[${prefixItems.map(acceptedWords).join(', ')}]`;
  if (type === 'array') return `list${lengthOf(schema)}${items ? ` of: ${acceptedWords(items)}` : ''}`;
  if (type === 'object' && properties) {
    return `{ ${Object.entries(properties)
      .map(([name, field]) => `${name}: ${acceptedWords(field)}`)
      .join('; ')} }`;
  }
  return type === 'string' ? 'text' : (type ?? 'any value');
}

function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  // JSON Schema's whole numbers end where those of JavaScript are exact; that is no bound of ours.
  const bound = (value: number | undefined) =>
    value === undefined || Math.abs(value) === Number.MAX_SAFE_INTEGER ? undefined : String(value);
  const [low, high] = [bound(minimum), bound(maximum)];
  if (low !== undefined && high !== undefined) return `, ${low} to ${high}`;
  const bounds = [
    exclusiveMinimum === undefined ? low && `at least ${low}` : `above ${exclusiveMinimum}`,
    exclusiveMaximum === undefined ? high && `at most ${high}` : `below ${exclusiveMaximum}`,
  ].filter(Boolean);
  return bounds.length > 0 ? `, ${bounds.join(', ')}` : '';
}

const lengthOf = ({ maxItems }: JsonSchema): string => (maxItems === undefined ? '' : `, at most ${maxItems},`);
