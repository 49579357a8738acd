// What a plugin's module exports, as parts: checked before anything uses them, so that a mistake is
// named with the file. And guarded: what a plugin's code throws is the plugin's failure, with the
// part and the function named, and no bug of ours.
import { z } from 'zod';
import { MetatrainError } from '../shared/errors.ts';
import { excerpt } from '../shared/foreign-text.ts';
import { faultIn, type PluginModule } from '../shared/plugin-file.ts';
import { describePlugin } from '../shared/plugin-identity.ts';
import { type AnyPart, isDefined, type MetaUpdate, type PartKind } from './part.ts';
import type { Plugin } from './registry.ts';
import { commonFields, nameFields } from './sections.ts';

/** @throws MetatrainError `PLUGIN_INVALID` naming the file and everything that is wrong with its parts. */
export function pluginOf(module: PluginModule): Plugin {
  const { file, name, sha256 } = module;
  const found = [...new Set(Object.values(module.exports).flat())].filter(isDefined);
  if (found.length === 0) {
    throw invalid(module, [
      'it exports no part; accepted: exported values that defineAlgorithm, defineModel, defineDistribution, ' +
        'defineObjective or defineOptimizer of metatrain/learning made',
    ]);
  }
  const problems = found.flatMap((part, index) => {
    const title = typeof part.name === 'string' ? `${part.kind} "${part.name}"` : `${part.kind} ${index + 1}`;
    return problemsOf(part).map((problem) => `${title}: ${problem}`);
  });
  if (problems.length > 0) throw invalid(module, problems);
  return { file, name, sha256, parts: found.map((part) => guarded(part, module)) };
}

const invalid = ({ file }: PluginModule, problems: readonly string[]): MetatrainError =>
  new MetatrainError('PLUGIN_INVALID', `cannot use the plugin ${file}: ${problems.join('; ')}`, {
    details: { file, problems },
  });

/** The functions that a part of each kind must have. */
const requiredFunctions = {
  distribution: ['describe', 'facts', 'open'],
  model: ['describe', 'parameters', 'isTransductive', 'layers', 'build'],
  algorithm: ['describe', 'passes', 'build'],
  objective: ['measures', 'build'],
  optimizer: ['slots', 'update'],
} as const satisfies { readonly [Kind in PartKind]: readonly (keyof Extract<AnyPart, { kind: Kind }>)[] };

const optionalFunctions = [
  'complete',
  'check',
  'needs',
  'axis',
  'carries',
  'domains',
  'evaluationPasses',
  'inputs',
  'staleWeight',
];

const namePattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const maxNameLength = 60;

function problemsOf(part: AnyPart): string[] {
  const fields = part as unknown as Readonly<Record<string, unknown>>;
  const problems: string[] = [];
  const refuse = (field: string, accepted: string, got = shown(fields[field])) =>
    problems.push(`${field}: got ${got}; accepted: ${accepted}`);
  const { name } = fields;
  if (typeof name !== 'string' || name.length > maxNameLength || !namePattern.test(name)) {
    refuse('name', `lower-case words joined by "-", at most ${maxNameLength} characters`);
  }
  for (const field of ['title', 'summary']) {
    if (typeof fields[field] !== 'string' || fields[field] === '') refuse(field, 'a text');
  }
  if (typeof fields.paper !== 'string') refuse('paper', 'a text; empty where there is nothing to cite');
  for (const field of requiredFunctions[part.kind]) {
    if (typeof fields[field] !== 'function') refuse(field, 'a function');
  }
  for (const field of optionalFunctions) {
    if (fields[field] !== undefined && typeof fields[field] !== 'function') refuse(field, 'a function, or nothing');
  }
  if (part.kind === 'model' && typeof fields.sizeField !== 'string') {
    refuse('sizeField', 'the field that makes the model large');
  }
  if (fields.schema instanceof z.ZodObject) {
    problems.push(...schemaProblems(part.kind, fields.schema), ...variantProblems(fields.schema, fields.variants));
  } else {
    refuse('schema', 'a z.strictObject({ … }) of the z of metatrain/learning');
  }
  return problems;
}

/** The job file's schema takes the fields over, and nothing else of the object. */
function schemaProblems(kind: PartKind, schema: z.ZodObject): string[] {
  const ours = [nameFields[kind], ...Object.keys(commonFields[kind])];
  const taken = ours.filter((field) => field in schema.shape);
  const problems = taken.map((field) => `schema.${field}: the field is MetaTrain's; accepted: another name`);
  if ((schema.def.checks?.length ?? 0) > 0) {
    problems.push(
      'schema: got a refinement of the object; accepted: refinements of its fields, and `check` for several',
    );
  }
  return problems;
}

function variantProblems(schema: z.ZodObject, variants: unknown): string[] {
  const accepted = 'accepted: small sections by name, at least one, such as { usual: {} }';
  if (typeof variants !== 'object' || variants === null || Object.keys(variants).length === 0) {
    return [`variants: got ${shown(variants)}; ${accepted}`];
  }
  return Object.entries(variants).flatMap(([name, variant]) => {
    const parsed = schema.safeParse(variant);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return [`variants.${name}: ${[...(issue?.path ?? []), ''].join('.')} ${issue?.message}`.replace('. ', ': ')];
    }
    // A spec is kept as JSON and checked again by every worker.
    const written = JSON.stringify(parsed.data);
    const again = schema.safeParse(JSON.parse(written));
    if (again.success && JSON.stringify(again.data) === written) return [];
    return [
      `variants.${name}: the section is another one once it was written as JSON; accepted: fields without transforms`,
    ];
  });
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'function') return 'a function';
  return excerpt(JSON.stringify(value) ?? typeof value, 60);
}

type AnyFunction = (this: unknown, ...given: unknown[]) => unknown;
/** @param where the function that threw, such as `build` or `build().train`. */
type Blame = (where: string, thrown: unknown) => unknown;

/**
 * The part, whose functions fail with `REQUEST_INVALID` and the names of the part and its plugin. So
 * does what `build` and `open` return. An error of ours passes as it is.
 */
function guarded(part: AnyPart, plugin: PluginModule): AnyPart {
  const blame: Blame = (where, thrown) => {
    if (thrown instanceof MetatrainError) return thrown;
    const { kind, name } = part;
    const message = `the ${kind} "${name}" of the plugin ${describePlugin(plugin)} failed in ${where}: ${faultIn(plugin.file, thrown)}`;
    return new MetatrainError('REQUEST_INVALID', message, {
      details: { kind, name, sha256: plugin.sha256 },
      cause: thrown,
    });
  };
  const functions = Object.entries(part).filter(([, value]) => typeof value === 'function');
  const guards = functions.map(([key, run]) => [key, guardedFunction(part, run as AnyFunction, key, blame)]);
  return { ...part, ...Object.fromEntries(guards) } as AnyPart;
}

/** Parts of which what they return has functions too. */
const makers = new Set(['build', 'open']);

function guardedFunction(owner: unknown, run: AnyFunction, where: string, blame: Blame): AnyFunction {
  const made = (value: unknown) => (makers.has(where) ? guardedObject(value, `${where}()`, blame) : value);
  return (...given) => {
    try {
      const value = run.apply(owner, given);
      if (where === 'update') refuseOtherUpdate(value, given[1] as MetaUpdate);
      if (value instanceof Promise) {
        return value.then(made, (thrown) => {
          throw blame(where, thrown);
        });
      }
      return isGenerator(value) ? guardedStates(value, where, blame) : made(value);
    } catch (thrown) {
      throw blame(where, thrown);
    }
  };
}

/** The coordinator goes on with what a meta-optimizer returns. */
function refuseOtherUpdate(value: unknown, { metaParams }: MetaUpdate): void {
  if (value instanceof Float32Array && value.length === metaParams.length && value.buffer !== metaParams.buffer) return;
  throw new Error(`it must return a Float32Array of its own with ${metaParams.length} numbers`);
}

const isGenerator = (value: unknown): value is Iterable<unknown> =>
  Object.prototype.toString.call(value) === '[object Generator]';

function* guardedStates(states: Iterable<unknown>, where: string, blame: Blame): Iterable<unknown> {
  try {
    yield* states;
  } catch (thrown) {
    throw blame(where, thrown);
  }
}

/** What a maker returned: a plain object or one of a class, with its functions guarded, and those of the plain objects in it. */
function guardedObject(value: unknown, where: string, blame: Blame, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const isPlain = Object.getPrototypeOf(value) === Object.prototype;
  if (depth > 0 && !isPlain) return value;
  const guard = (key: string): unknown => {
    const member = (value as Readonly<Record<string, unknown>>)[key];
    if (typeof member === 'function') return guardedFunction(value, member as AnyFunction, `${where}.${key}`, blame);
    return depth < maxDepth ? guardedObject(member, `${where}.${key}`, blame, depth + 1) : member;
  };
  return Object.fromEntries(keysOf(value).map((key) => [key, guard(key)]));
}

/** As deep as `train.programs.NAME.compute`. */
const maxDepth = 3;

function keysOf(value: object): string[] {
  const keys = new Set<string>();
  for (let at = value; at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at) as object) {
    for (const key of Object.getOwnPropertyNames(at)) if (key !== 'constructor') keys.add(key);
  }
  return [...keys];
}
