// Turns zod's issues into our form: the field, the value it got, the accepted values. The only file
// that knows zod's issue codes.
import type { z } from 'zod';
import { excerpt } from '../foreign-text.ts';

export interface FieldProblem {
  /** Path of the field, such as `algorithm.order`. */
  readonly field: string;
  readonly got: string;
  readonly accepted: string;
}

/** One problem a field. If zod reports several, the last one, which is the narrowest. */
export function explain(error: z.ZodError, schema: z.ZodType): FieldProblem[] {
  const problems = error.issues.flatMap((issue) => problemsOf(issue, schema));
  return [...new Map(problems.map((problem) => [problem.field, problem])).values()];
}

function problemsOf(issue: z.core.$ZodIssue, schema: z.ZodType): FieldProblem[] {
  const path = issue.path.map(String);
  const fieldAt = (...keys: string[]) => excerpt([...path, ...keys].join('.'), 80) || '(job file)';
  const problem = (got: unknown, accepted: string) => [{ field: fieldAt(), got: describe(got), accepted }];
  switch (issue.code) {
    case 'unrecognized_keys': {
      const accepted = `one of ${keysAt(schema, issue.path, issue.input).join(', ')}`;
      return issue.keys.map((key) => ({ field: fieldAt(key), got: 'an unknown field', accepted }));
    }
    case 'invalid_value':
      return problem(issue.input, issue.values.map(String).join(' | '));
    case 'invalid_union': {
      // A discriminated union. The path ends with the field that chooses the member; the input is
      // the object around it.
      const { discriminator = '', options = [] } = issue as { discriminator?: string; options?: readonly unknown[] };
      const chosen = (issue.input as Readonly<Record<string, unknown>>)[discriminator];
      return problem(chosen, options.map(String).join(' | '));
    }
    case 'invalid_type':
      return problem(issue.input, typeNames[issue.expected] ?? issue.expected);
    case 'too_small':
      return problem(
        issue.input,
        `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${unitOf(issue.origin)}`,
      );
    case 'too_big':
      return problem(
        issue.input,
        `${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}${unitOf(issue.origin)}`,
      );
    default:
      return problem(issue.input, issue.message);
  }
}

const unitOf = (origin: string): string => (origin === 'array' ? ' items' : origin === 'string' ? ' characters' : '');

const typeNames: Readonly<Record<string, string>> = {
  object: 'a mapping of fields',
  record: 'a mapping of fields',
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true | false',
  array: 'a list',
  tuple: 'a list',
};

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number') return String(value);
  return excerpt(JSON.stringify(value) ?? String(value), 80);
}

/**
 * The keys that the object schema at `path` accepts. For a union: those of the member that the
 * input chose.
 */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[], input: unknown): string[] {
  let current: z.ZodType[] = [schema];
  for (const key of path) current = current.flatMap(members).flatMap((member) => child(member, key));
  const objects = current.flatMap(members).filter((member) => shapeOf(member) !== undefined);
  const chosen = objects.find((member) =>
    Object.entries(shapeOf(member) ?? {}).some(([key, field]) => {
      const { values } = (field as { _zod: { def: { values?: readonly unknown[] } } })._zod.def;
      return values?.length === 1 && (input as Record<string, unknown>)?.[key] === values[0];
    }),
  );
  return [...new Set((chosen ? [chosen] : objects).flatMap((member) => Object.keys(shapeOf(member) ?? {})))];
}

interface Definition {
  readonly innerType?: z.ZodType;
  /** Of a schema that is made when it is needed. */
  readonly getter?: () => z.ZodType;
  /** Of a list. */
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly valueType?: z.ZodType;
}

const definitionOf = (schema: z.ZodType): Definition => schema._zod.def as unknown as Definition;
const shapeOf = (schema: z.ZodType) => definitionOf(schema).shape;

function members(schema: z.ZodType): z.ZodType[] {
  const { innerType, options, getter } = definitionOf(schema);
  const inner = innerType ?? getter?.();
  if (inner) return members(inner);
  return options ? options.flatMap(members) : [schema];
}

function child(schema: z.ZodType, key: PropertyKey): z.ZodType[] {
  const { shape, valueType, element } = definitionOf(schema);
  const found = shape?.[String(key)] ?? valueType ?? element;
  return found ? [found] : [];
}
