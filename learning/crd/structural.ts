// From a zod schema to a structural schema, the kind of OpenAPI schema that a CRD may have: one
// type for each field, wherever it is. A union of objects becomes one object with the fields of all
// of them, and rules in CEL that refuse the fields of the others. No default enters: the API server
// would write it into what the user wrote.
import { z } from 'zod';
import { type Keywords, keywordsOf } from '../../shared/job-spec/keywords.ts';
import type { CelRule } from '../cel.ts';
import { grouped, isOneOf } from './names.ts';

export interface ValidationRule extends CelRule {
  /** Such as `.shots`; the field must be in the schema. */
  readonly fieldPath?: string;
  /** Default: FieldValueInvalid. */
  readonly reason?: 'FieldValueRequired' | 'FieldValueForbidden';
}

export interface Structural {
  readonly type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean';
  readonly description?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, Structural>>;
  readonly additionalProperties?: Structural;
  readonly items?: Structural;
  readonly required?: readonly string[];
  readonly nullable?: true;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly minProperties?: number;
  readonly allOf?: readonly object[];
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[];
}

interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly propertyNames?: JsonSchema;
  readonly required?: readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly items?: JsonSchema | boolean;
  readonly prefixItems?: readonly JsonSchema[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  /** Of the predicates that zod was given. */
  keywords?: Keywords[];
  /** Any object, which the coordinator alone checks. */
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
}

/** The form that a user writes: a field with a default may be missing. */
export function structuralOf(schema: z.ZodType): Structural {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      const { checks = [], fn } = zodSchema._zod.def as { checks?: readonly object[]; fn?: object };
      const predicates = [fn, ...checks.map((check) => (check as { _zod: { def: { fn?: object } } })._zod.def.fn)];
      const found = predicates.flatMap((predicate): Keywords[] => {
        const keywords = predicate && keywordsOf(predicate);
        return keywords ? [keywords] : [];
      });
      if (found.length > 0) (jsonSchema as JsonSchema).keywords = found;
    },
  });
  return convert(json as JsonSchema);
}

const untyped: Structural = { 'x-kubernetes-preserve-unknown-fields': true };

function convert(schema: JsonSchema): Structural {
  if (schema['x-kubernetes-preserve-unknown-fields']) return { type: 'object', ...untyped };
  const choices = schema.anyOf ?? schema.oneOf ?? choicesOfType(schema);
  if (choices) return withKeywords(convertChoice(choices), schema);
  if (schema.type === undefined && schema.const === undefined && schema.enum === undefined) {
    return withKeywords(untyped, schema);
  }
  return withKeywords(convertTyped(schema), schema);
}

/** Of a schema with several types, such as a nullable boolean: one schema a type. */
function choicesOfType(schema: JsonSchema): readonly JsonSchema[] | undefined {
  const types: unknown = schema.type;
  return Array.isArray(types) ? types.map((type: string) => ({ ...schema, type })) : undefined;
}

function convertChoice(choices: readonly JsonSchema[]): Structural {
  const others = choices.filter(({ type }) => type !== 'null');
  if (others.length < choices.length) {
    const inner = others.length === 1 ? convert(others[0]!) : convertChoice(others);
    return { ...inner, nullable: true, ...(inner.enum && { enum: [...inner.enum, null] }) };
  }
  const discriminator = discriminatorOf(choices);
  return discriminator === undefined ? untyped : mergeOptions(discriminator, choices);
}

/** The required field that has another constant in each choice. */
function discriminatorOf([first, ...rest]: readonly JsonSchema[]): string | undefined {
  const constantOf = ({ properties, required = [] }: JsonSchema, name: string) =>
    required.includes(name) ? properties?.[name]?.const : undefined;
  return Object.keys(first?.properties ?? {}).find((name) => {
    const constants = [first!, ...rest].map((choice) => constantOf(choice, name));
    return !constants.includes(undefined) && new Set(constants).size === constants.length;
  });
}

function convertTyped(schema: JsonSchema): Structural {
  const values = schema.const === undefined ? schema.enum : [schema.const];
  switch (schema.type) {
    case 'object':
      return convertObject(schema);
    case 'array':
      return convertArray(schema);
    case 'boolean':
      return { type: 'boolean', ...(values && { enum: values }) };
    case 'string': {
      const { pattern, minLength, maxLength } = schema;
      return { type: 'string', ...defined({ enum: values, pattern, minLength, maxLength }) };
    }
    case 'integer':
    case 'number': {
      const isWhole = schema.type === 'integer' || (values?.every((value) => Number.isInteger(value)) ?? false);
      return { type: isWhole ? 'integer' : 'number', ...rangeOf(schema, values) };
    }
    default:
      return untyped;
  }
}

function rangeOf(schema: JsonSchema, values: readonly unknown[] | undefined): Structural {
  const { exclusiveMinimum, exclusiveMaximum } = schema;
  return defined({
    enum: values,
    minimum: exclusiveMinimum ?? schema.minimum,
    exclusiveMinimum: exclusiveMinimum === undefined ? undefined : true,
    maximum: exclusiveMaximum ?? schema.maximum,
    exclusiveMaximum: exclusiveMaximum === undefined ? undefined : true,
  });
}

function convertObject({ properties, additionalProperties, propertyNames, required = [] }: JsonSchema): Structural {
  if (typeof additionalProperties === 'object') {
    const { minLength = 0, maxLength } = propertyNames ?? {};
    const isLong = maxLength === undefined ? '' : ` && size(key) <= ${maxLength}`;
    const rule = `self.all(key, size(key) >= ${minLength}${isLong})`;
    const message = `keys of ${minLength} to ${maxLength ?? 'any number of'} characters`;
    const hasBounds = minLength > 0 || maxLength !== undefined;
    return {
      type: 'object',
      additionalProperties: convert(additionalProperties),
      ...(hasBounds && { 'x-kubernetes-validations': [{ rule, message }] }),
    };
  }
  const fields = Object.entries(properties ?? {}).map(([name, field]) => [name, convert(field)] as const);
  return { type: 'object', properties: Object.fromEntries(fields), ...(required.length > 0 && { required }) };
}

function convertArray({ items, prefixItems, minItems, maxItems }: JsonSchema): Structural {
  if (!prefixItems) {
    const all = typeof items === 'object' ? convert(items) : untyped;
    return { type: 'array', items: all, ...defined({ minItems, maxItems }) };
  }
  const all = prefixItems.map(convert);
  const isUniform = all.every((item) => isSame(item, all[0]!));
  return { type: 'array', items: isUniform ? all[0]! : untyped, minItems: all.length, maxItems: all.length };
}

/** With what the predicates say. A bound replaces one that is wider. */
function withKeywords(schema: Structural, { keywords = [] }: JsonSchema): Structural {
  const result: Record<string, unknown> = { ...schema };
  for (const words of keywords) {
    const { minimum, exclusiveMinimum, maximum, exclusiveMaximum, ...others } = words as Structural;
    Object.assign(result, others);
    const present = result as Structural;
    if (minimum !== undefined && !(present.minimum !== undefined && present.minimum > minimum)) {
      if (present.minimum !== minimum) Object.assign(result, { minimum, exclusiveMinimum });
    }
    if (maximum !== undefined && !(present.maximum !== undefined && present.maximum < maximum)) {
      if (present.maximum !== maximum) Object.assign(result, { maximum, exclusiveMaximum });
    }
  }
  return defined(result) as Structural;
}

/** One object for all options, and rules for what only some of them have, need or allow. */
function mergeOptions(discriminator: string, choices: readonly JsonSchema[]): Structural {
  const options = choices.map((choice) => ({
    name: String(choice.properties![discriminator]!.const),
    schema: convertObject({ ...choice, additionalProperties: false }),
  }));
  const names = options.map(({ name }) => name);
  const isOneOfThese = (some: readonly string[]) => isOneOf(`self.${discriminator}`, some);
  const properties: Record<string, Structural> = { [discriminator]: { type: 'string', enum: names } };
  const rules: ValidationRule[] = [];
  const allOf: object[] = [];
  const fields = new Set(options.flatMap(({ schema }) => Object.keys(schema.properties ?? {})));
  fields.delete(discriminator);
  for (const field of fields) {
    const having = options.filter(({ schema }) => schema.properties?.[field]);
    const owners = having.map(({ name }) => name);
    const variants = having.map(({ schema }) => schema.properties![field]!);
    const merged = variants.reduce(mergeFields);
    properties[field] = merged;
    const fieldPath = `.${field}`;
    if (merged.type === undefined || merged.nullable) {
      // CEL sees neither a field without a type nor a null.
      const isOwner = { properties: { [discriminator]: { enum: owners } } };
      if (owners.length < names.length) allOf.push({ anyOf: [isOwner, { not: { required: [field] } }] });
    } else if (owners.length < names.length) {
      const message = `only with ${discriminator} ${owners.join(' | ')}`;
      rules.push({ rule: `!has(self.${field}) || ${isOneOfThese(owners)}`, message, fieldPath, reason: 'FieldValueForbidden' }); // biome-ignore format: one line
    }
    const needing = having.filter(({ schema }) => schema.required?.includes(field)).map(({ name }) => name);
    if (needing.length > 0 && merged.type === undefined) {
      const isOther = { not: { properties: { [discriminator]: { enum: needing } } } };
      allOf.push({ anyOf: [isOther, { required: [field] }] });
    } else if (needing.length > 0) {
      const message = `${field} is required with ${discriminator} ${needing.join(' | ')}`;
      rules.push({ rule: `has(self.${field}) || !(${isOneOfThese(needing)})`, message, reason: 'FieldValueRequired' });
    }
    if (merged.type === undefined) continue;
    const narrower = having.flatMap(({ name }, at) => {
      const conditions = narrowing(`self.${field}`, variants[at]!, merged);
      return conditions.length > 0 ? [{ name, variant: variants[at]!, conditions }] : [];
    });
    for (const [{ text, bounds }, some] of grouped(narrower, ({ variant, conditions }) => ({
      text: boundsText(variant),
      bounds: conditions.join(' && '),
    }))) {
      const rule = `!has(self.${field}) || !(${isOneOfThese(some)}) || ${bounds}`;
      rules.push({ rule, message: `${text} with ${discriminator} ${some.join(' | ')}`, fieldPath });
    }
  }
  return {
    type: 'object',
    properties,
    required: [discriminator],
    ...(allOf.length > 0 && { allOf }),
    ...(rules.length > 0 && { 'x-kubernetes-validations': rules }),
  };
}

/** A schema that accepts what either of them does; without a type where no single one can. */
function mergeFields(a: Structural, b: Structural): Structural {
  if (isSame(a, b)) return a;
  const isNumber = ({ type }: Structural) => type === 'integer' || type === 'number';
  const isScalar = (schema: Structural) => isNumber(schema) || schema.type === 'string';
  if (!isScalar(a) || isNumber(a) !== isNumber(b) || (!isNumber(a) && a.type !== b.type)) return untyped;
  const nullable = a.nullable || b.nullable ? true : undefined;
  if (!isNumber(a)) {
    const values = a.enum && b.enum ? [...new Set([...a.enum, ...b.enum])] : undefined;
    return { type: 'string', ...defined({ nullable, enum: values }) };
  }
  const type = a.type === b.type ? a.type! : 'number';
  const [low, high] = [wider(a, b, 'minimum'), wider(a, b, 'maximum')];
  return { type, ...defined({ nullable }), ...low, ...high } as Structural;
}

function wider(a: Structural, b: Structural, bound: 'minimum' | 'maximum'): Structural {
  const [x, y] = [a[bound], b[bound]];
  if (x === undefined || y === undefined) return {};
  const exclusive = bound === 'minimum' ? 'exclusiveMinimum' : 'exclusiveMaximum';
  const isFirst = bound === 'minimum' ? x < y : x > y;
  const of = x === y ? (a[exclusive] ? b : a) : isFirst ? a : b;
  return defined({ [bound]: of[bound], [exclusive]: of[exclusive] });
}

/** What the variant refuses and the merged schema accepts, as conditions of CEL. */
function narrowing(self: string, variant: Structural, merged: Structural): string[] {
  if (isSame(variant, merged)) return [];
  const literal = (value: number) => (merged.type === 'integer' ? String(value) : celDouble(value));
  const { minimum, maximum, pattern, minLength, maxLength } = variant;
  const conditions: string[] = [];
  if (variant.type === 'integer' && merged.type === 'number') conditions.push(`${self} == double(int(${self}))`);
  if (minimum !== undefined && minimum !== merged.minimum)
    conditions.push(`${self} ${variant.exclusiveMinimum ? '>' : '>='} ${literal(minimum)}`);
  if (maximum !== undefined && maximum !== merged.maximum)
    conditions.push(`${self} ${variant.exclusiveMaximum ? '<' : '<='} ${literal(maximum)}`);
  if (variant.enum && !isSame(variant.enum, merged.enum)) {
    const values = variant.enum.map((value) => (typeof value === 'number' ? literal(value) : `'${value}'`));
    conditions.push(`${self} in [${values.join(', ')}]`);
  }
  for (const { rule } of variant['x-kubernetes-validations'] ?? []) conditions.push(rule.replaceAll(/\bself\b/g, self));
  if (pattern !== undefined) conditions.push(`${self}.matches(${JSON.stringify(pattern)})`);
  if (minLength !== undefined) conditions.push(`size(${self}) >= ${minLength}`);
  if (maxLength !== undefined) conditions.push(`size(${self}) <= ${maxLength}`);
  return conditions;
}

function boundsText({ type, minimum, maximum, enum: values }: Structural): string {
  if (values) return values.join(' | ');
  const what = type === 'integer' ? 'a whole number' : type === 'number' ? 'a number' : 'a text';
  if (minimum !== undefined && maximum !== undefined) return `${what} from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${what} of at least ${minimum}`;
  return maximum === undefined ? `${what} as described` : `${what} of at most ${maximum}`;
}

/** As CEL writes a floating-point number. */
export const celDouble = (value: number): string =>
  Number.isInteger(value) && Math.abs(value) < 1e21 ? `${value}.0` : String(value);

export const celList = (texts: readonly string[]): string => `[${texts.map((text) => `'${text}'`).join(', ')}]`;

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

const defined = <Shape extends object>(shape: Shape): { [Key in keyof Shape]: Exclude<Shape[Key], undefined> } =>
  Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)) as never;
