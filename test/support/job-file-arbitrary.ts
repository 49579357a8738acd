// Job files by fast-check, from the schemas of a registry's parts: valid ones, ones at the edge of
// a limit, and ones that somebody has spoilt. None is written for the checks: each field takes
// values around its own bounds.
import fc from 'fast-check';
import { z } from 'zod';
import type { PartKind } from '../../learning/part.ts';
import { builtIn, type Registry } from '../../learning/registry.ts';
import { commonFields, nameFields, sectionPaths } from '../../learning/sections.ts';
import { evaluationSchema } from '../../shared/job-spec/evaluation.ts';
import { checkpointSchema, placementSchema } from '../../shared/job-spec/index.ts';
import { scheduleSchema, updateSchema } from '../../shared/job-spec/meta.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [field: string]: Json };
type Fields = { readonly [field: string]: Json };

interface JsonSchema {
  readonly type?: string;
  readonly const?: Json;
  readonly enum?: readonly Json[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

const jsonOf = (schema: z.ZodType): JsonSchema =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;

/** Values of fields that a schema describes by a predicate alone, or by a pattern. */
const special: Readonly<Record<string, fc.Arbitrary<Json>>> = {
  size: fc.oneof(fc.integer({ min: 4, max: 64 }), fc.tuple(fc.integer({ min: 4, max: 40 }), fc.integer({ min: 4, max: 40 }))), // biome-ignore format: one line
  folder: fc.constantFrom('birds', 'birds/small', 'Vögel 2', '_x.y-z', 'ż/ź/ć'),
  alphabets: fc.record({ train: names(), validation: names(), test: names() }, { requiredKeys: ['train', 'test'] }),
  splits: fc.oneof(
    fc.record({ train: names(), validation: names(), test: names() }, { requiredKeys: ['train', 'test'] }),
    fc.record(
      { byHash: fc.record({ validation: shares(), test: shares() }, { requiredKeys: [] }), train: names() },
      { requiredKeys: ['byHash'] },
    ),
  ),
};

function names(): fc.Arbitrary<Json> {
  return fc.array(fc.constantFrom(...'abcdefghijklmnop'), { minLength: 1, maxLength: 3 });
}

function shares(): fc.Arbitrary<number> {
  return fc.constantFrom(0, 0.1, 0.25, 0.45, 0.5, 0.9);
}

function fieldValue(schema: JsonSchema, name = ''): fc.Arbitrary<Json> {
  const own = special[name];
  if (own) return own;
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return fc.oneof(...choices.map((choice) => fieldValue(choice)));
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return wholeNumber(schema.minimum ?? 0, schema.maximum ?? 2 ** 53 - 1);
    case 'number':
      return realNumber(schema);
    case 'array': {
      if (schema.prefixItems) {
        const items = fc.tuple(...schema.prefixItems.map((item) => fieldValue(item)));
        const sorted = items.map((all) => [...all].sort((a, b) => Number(a) - Number(b)));
        return fc.oneof({ weight: 9, arbitrary: sorted }, { weight: 1, arbitrary: items }) as fc.Arbitrary<Json>;
      }
      const { minItems = 0, maxItems = 4 } = schema;
      const item = fieldValue(schema.items ?? {});
      const few = fc.array(item, { minLength: minItems, maxLength: Math.min(maxItems, minItems + 3) });
      return fc.oneof({ weight: 9, arbitrary: few }, { weight: 1, arbitrary: fc.array(item, { minLength: minItems, maxLength: maxItems }) }); // biome-ignore format: one line
    }
    case 'object':
      return objectOf(schema);
    default:
      return fc.constantFrom('a text', 'a');
  }
}

function wholeNumber(least: number, most: number): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 80, arbitrary: fc.integer({ min: least, max: Math.min(most, least + 12) }) },
    { weight: 1, arbitrary: fc.constantFrom(least, most) },
    { weight: 1, arbitrary: fc.maxSafeInteger().map((value) => least + (Math.abs(value) % (most - least + 1))) },
  );
}

const realNumber = ({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: JsonSchema): fc.Arbitrary<number> => {
  const usual = [1, 0.5, 0.1, 0.01, 0.001, 0.9, 0, 3, -2.5, 1e-20, 1e20];
  const edges = [1e-44, 7.1e-46, 7.0e-46, 2 ** -149, 2 ** -150, 3.4e38, 3.5e38, 1e300, 5e-324];
  const isIn = (value: number) =>
    value >= (minimum ?? -Infinity) &&
    value > (exclusiveMinimum ?? -Infinity) &&
    value <= (maximum ?? Infinity) &&
    value < (exclusiveMaximum ?? Infinity);
  return fc.oneof(
    { weight: 60, arbitrary: fc.constantFrom(...usual.filter(isIn)) },
    { weight: 1, arbitrary: fc.constantFrom(...[...usual, ...edges].filter(isIn)) },
  );
};

function objectOf({ properties = {}, required = [] }: JsonSchema): fc.Arbitrary<Fields> {
  const fields = Object.entries(properties).map(([name, field]) => {
    const value = fieldValue(field, name);
    const isRequired = required.includes(name);
    return fc.tuple(fc.constant(name), isRequired ? value : fc.option(value, { nil: undefined, freq: 2 }));
  });
  return fc.tuple(...fields).map((all) => fieldsOf(all as [string, Json | undefined][]));
}

const fieldsOf = (entries: readonly (readonly [string, Json | undefined])[]): Fields =>
  Object.fromEntries(entries.filter((entry): entry is [string, Json] => entry[1] !== undefined));

/** Any part of the kind, each as often as the others. */
function sectionOf(registry: Registry, kind: PartKind): fc.Arbitrary<Fields> {
  return fc.oneof(
    ...registry
      .all(kind)
      .map(({ name, schema }) =>
        objectOf(
          jsonOf(z.strictObject({ [nameFields[kind]]: z.literal(name), ...commonFields[kind], ...schema.shape })),
        ),
      ),
  );
}

const maybe = <Value>(arbitrary: fc.Arbitrary<Value>, freq = 2) => fc.option(arbitrary, { nil: undefined, freq });

/** By no means always valid: the parts may not fit together, and products may be too large. */
export function jobFiles(registry: Registry = builtIn): fc.Arbitrary<Fields> {
  const section = (kind: PartKind) => sectionOf(registry, kind);
  const entries = (all: readonly (readonly [string, fc.Arbitrary<Json | undefined>])[]) =>
    fc
      .tuple(...all.map(([, arbitrary]) => arbitrary))
      .map((values) => fieldsOf(all.map(([name], i) => [name, values[i]] as const)));
  const groups = fc.dictionary(
    fc.constantFrom(...Array.from({ length: 12 }, () => 'model'), 'rates', 'head'),
    fc.record(
      { learningRate: fc.constantFrom(0.1, 1, 0.01, 1e-40), clipNorm: fc.constantFrom(1, 10) },
      { requiredKeys: [] },
    ),
    { maxKeys: 2, noNullPrototype: true },
  );
  const meta = entries([
    ['iterations', wholeNumber(1, 1_000_000_000)],
    ['batchSize', maybe(wholeNumber(1, 1_000_000))],
    ['optimizer', maybe(section('optimizer'))],
    ['schedule', maybe(fieldValue(jsonOf(scheduleSchema)), 3)],
    ['update', maybe(fieldValue(jsonOf(updateSchema)), 3)],
    ['clipNorm', maybe(fc.constantFrom(1, 0.5))],
    ['groups', maybe(groups, 6)],
    ['onNonFinite', maybe(fc.constantFrom('fail', 'skip'))],
  ]);
  const whole = entries([
    ['name', fc.constantFrom('a', 'a-job', '0.x_y', 'n'.repeat(100))],
    ['seed', maybe(wholeNumber(0, 4_294_967_295))],
    ['task', section('distribution')],
    ['model', section('model')],
    ['algorithm', section('algorithm')],
    ['objective', maybe(section('objective'), 4)],
    ['meta', meta],
    ['evaluation', maybe(fieldValue(jsonOf(evaluationSchema)))],
    ['checkpoint', maybe(fieldValue(jsonOf(checkpointSchema)), 3)],
    ['placement', maybe(fieldValue(jsonOf(placementSchema)), 3)],
    ['published', maybe(published(section), 3)],
  ]);
  return fc.tuple(whole, fc.integer({ min: 0, max: 9 })).map(([job, choice]) => (choice === 0 ? job : fitted(job)));
}

/** Mends what most often does not fit together, so that valid files are common; the rest stays as it is. */
function fitted(job: Fields): Fields {
  const { objective: _left, ...rest } = job;
  const task = job.task as Fields;
  const isVector = task.distribution === 'sinusoid';
  const fits: Record<string, Json> = { ...rest };
  if (isVector && (job.model as Fields).architecture === 'conv4') fits.model = { architecture: 'mlp' };
  if (isVector && (job.algorithm as Fields).name === 'protonet') fits.algorithm = { name: 'maml' };
  const { batchSize = 32 } = job.meta as { readonly batchSize?: number };
  const placement = job.placement as Fields | undefined;
  if (placement && Number(placement.shardSize) > batchSize) fits.placement = { ...placement, shardSize: batchSize };
  const published = job.published as Fields | undefined;
  if (published) {
    const { at, figure, ...others } = published;
    const isOnce = (fits.algorithm as Fields).name === 'protonet';
    const own = isOnce ? figure !== undefined && { figure } : at !== undefined && { at };
    fits.published = { ...others, ...own, ...(others.measure === 'error' && { measure: 'loss' }) } as Fields;
  }
  if ((fits.algorithm as Fields).rematerialize === true)
    fits.algorithm = { ...(fits.algorithm as Fields), order: 'second' };
  if (task.distribution === 'omniglot' && Number(task.shots ?? 1) + Number(task.queries ?? 15) > 20) {
    fits.task = { ...task, shots: 1, queries: 5 };
  }
  return fits;
}

function published(section: (kind: PartKind) => fc.Arbitrary<Fields>): fc.Arbitrary<Json> {
  const figure = fc.record(
    { mean: fc.constantFrom(0, 0.5, 1, 0.99, 2, -1, 1e30), halfWidth95: fc.constantFrom(0, 0.1) },
    { requiredKeys: ['mean'] },
  );
  const points = fc.constantFrom('0', '1', '5', '10', '999999999999999', '1000000000000000', '01', '+5', '-1', 'birds', ' 3', '٣'); // biome-ignore format: one line
  const good = fc.constantFrom('0', '1', '5', '10');
  const at = (keys: fc.Arbitrary<string>) => fc.dictionary(keys, figure, { maxKeys: 3, noNullPrototype: true });
  /** Some fields are left out, some are null. */
  const stated = (kind: PartKind) =>
    fc.tuple(section(kind), fc.integer({ min: 0, max: 11 })).map(([whole, choice]) => {
      const kept = Object.entries(whole).filter(
        ([name], i) => name === nameFields[kind] || (choice >> (i % 3)) % 2 === 0,
      );
      return Object.fromEntries(kept.map(([name, value], i) => [name, choice === 11 && i > 0 ? null : value]));
    });
  const protocol = fc.record(
    {
      task: stated('distribution'),
      model: stated('model'),
      algorithm: stated('algorithm'),
      objective: stated('objective'),
      meta: fc.record(
        {
          batchSize: fc.constantFrom(4, 25),
          clipNorm: fc.constantFrom(null, 10),
          optimizer: stated('optimizer'),
          schedule: fc.constantFrom<Json>({ name: 'constant' }, { name: 'step', every: 3 }, { name: 'linear' }),
        },
        { requiredKeys: [] },
      ),
      evaluation: fc.record({ tasks: fc.constantFrom(600), innerSteps: fc.constantFrom(10) }, { requiredKeys: [] }),
      transductive: fc.boolean(),
    },
    { requiredKeys: [] },
  );
  return fc.record(
    {
      source: fc.constantFrom('MAML, Finn et al. 2017, §5.1', 'x'.repeat(400)),
      measure: fc.constantFrom('loss', 'loss', 'accuracy', 'error'),
      at: fc.oneof({ weight: 4, arbitrary: at(good) }, { weight: 1, arbitrary: at(points) }),
      figure,
      protocol: protocol as fc.Arbitrary<Json>,
      differences: fc.array(fc.constantFrom('one', 'another'), { maxLength: 3 }),
    },
    { requiredKeys: ['source', 'measure'] },
  ) as fc.Arbitrary<Json>;
}

/** Values that hardly any field takes, or that lie at the edge of what many take. */
const oddValues: readonly Json[] = [
  null, true, false, '', 'a text', '5', [], [1], [1, 2, 3], {}, { a: 1 },
  0, -1, 1.5, 0.5, 2, 16, 64, 1000, 1001, 4096, 65_536, 1_000_000, 1_000_001, 1e9, 1e9 + 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 1e19, 1e25,
  1e-46, 7.1e-46, 1e-45, 3.4e38, 3.41e38, 1e300, -1e300,
]; // biome-ignore format: a table

/** Job files that were valid or not before, with one or two places spoilt. */
export function spoiltJobFiles(registry: Registry = builtIn): fc.Arbitrary<Fields> {
  const foreign = Object.keys(sectionPaths).flatMap((kind) =>
    registry.all(kind as PartKind).flatMap(({ schema }) => Object.keys(schema.shape)),
  );
  const spoiling = fc.record({
    place: fc.nat(),
    how: fc.constantFrom(
      'replace',
      'replace',
      'remove',
      'remove',
      'unknown',
      'foreign',
      'multiply',
      'multiply',
      'multiply',
    ),
    value: fc.constantFrom(...oddValues),
    field: fc.constantFrom(...foreign),
    factor: fc.constantFrom(2, 3, 10, 1000, 1e6, -1, 0.5, 1e-30, 1e30),
  });
  return fc
    .tuple(jobFiles(registry), fc.array(spoiling, { minLength: 1, maxLength: 2 }))
    .map(([job, all]) => all.reduce((spoilt, one) => spoil(spoilt, one), job as Json) as Fields);
}

interface Spoiling {
  readonly place: number;
  readonly how: string;
  readonly value: Json;
  readonly field: string;
  readonly factor: number;
}

function spoil(job: Json, { place, how, value, field, factor }: Spoiling): Json {
  const places = placesOf(job, []);
  const path = places[place % places.length] ?? [];
  if (how === 'remove') return changed(job, path, () => undefined) ?? job;
  const isObject = (target: Json): target is Fields => typeof target === 'object' && target !== null && !Array.isArray(target); // biome-ignore format: one line
  const result = changed(job, path, (target) => {
    if (how === 'unknown' && isObject(target)) return { ...target, unknownField: value };
    if (how === 'foreign' && isObject(target)) return { [field]: value, ...target };
    if (how === 'multiply' && typeof target === 'number') return target * factor;
    return value;
  });
  return isObject(result ?? null) ? (result as Fields) : job;
}

function placesOf(value: Json, path: readonly string[]): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, item]) => placesOf(item as Json, [...path, key]))].filter(
    ({ length }) => length > 0,
  );
}

function changed(value: Json, path: readonly string[], change: (target: Json) => Json | undefined): Json | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return change(value);
  if (Array.isArray(value)) {
    return value.flatMap((item: Json, i) => (String(i) === key ? (changed(item, rest, change) ?? []) : [item]));
  }
  const entries = Object.entries(value as Fields).map(([name, item]) => [name, name === key ? changed(item, rest, change) : item] as const); // biome-ignore format: one line
  return fieldsOf(entries);
}

/** Job files whose products of fields are just below, at or just above a limit. */
export function largeJobFiles(): fc.Arbitrary<Fields> {
  const near = (limit: number) => fc.integer({ min: -2, max: 2 }).map((by) => Math.max(1, Math.round(limit) + by));
  const sinusoid = { distribution: 'sinusoid' };
  const base = (over: Fields): Fields => ({
    name: 'large',
    task: sinusoid,
    model: { architecture: 'mlp' },
    algorithm: { name: 'maml' },
    ...over,
    meta: { iterations: 10, ...((over.meta as Fields | undefined) ?? {}) },
  });
  const layers = fc.integer({ min: 0, max: 32 });
  return fc.oneof(
    // layers of a program, in training and in evaluation
    fc.tuple(layers, fc.constantFrom('maml', 'anil', 'reptile', 'meta-sgd', 'imaml', 'boil'), fc.boolean(), fc.integer({ min: -1, max: 1 })).map(([count, name, isTraining, by]) => {
      const steps = Math.min(1000, Math.floor(4096 / (count + 1)) + by);
      const model = { architecture: 'mlp', hiddenLayers: Array.from({ length: count }, () => 3) };
      return base({ model, ...(isTraining ? { algorithm: { name, innerSteps: steps } } : { algorithm: { name }, evaluation: { innerSteps: steps } }) });
    }),
    fc.integer({ min: 155, max: 160 }).map((innerSteps) =>
      base({ task: { distribution: 'omniglot' }, model: { architecture: 'conv4' }, algorithm: { name: 'maml', innerSteps } }),
    ),
    // parameters of a model
    fc.tuple(near(16_383), fc.constantFrom('maml', 'meta-sgd', 'boil')).map(([units, name]) =>
      base({ model: { architecture: 'mlp', hiddenLayers: [units, name === 'meta-sgd' ? Math.floor(units / 2) : units] }, algorithm: { name } }),
    ),
    fc.tuple(near(3_152), fc.constantFrom('maml', 'protonet'), fc.constantFrom('stride', 'max-pool'), fc.boolean()).map(([filters, name, downsampling, batchNormScale]) =>
      base({ task: { distribution: 'omniglot' }, model: { architecture: 'conv4', filters, downsampling, batchNormScale }, algorithm: { name } }),
    ),
    fc.tuple(near(2 ** 28 / 785), fc.constantFrom('maml', 'protonet')).map(([units, name]) =>
      base({ task: { distribution: 'omniglot' }, model: { architecture: 'mlp', hiddenLayers: [Math.min(units, 65_536), 3_000] }, algorithm: { name } }),
    ),
    // numbers of a shard
    fc.tuple(fc.integer({ min: 1, max: 65_536 }), fc.integer({ min: -1, max: 1 }), fc.boolean()).map(([shardSize, by, hasQueries]) => {
      const shots = Math.max(1, Math.floor(2 ** 28 / shardSize / 4) + by);
      return base({ task: { distribution: 'sinusoid', shots, ...(hasQueries && { queries: shots }) }, placement: { shardSize }, meta: { batchSize: 1_000_000 } });
    }),
    // shards of a meta-batch
    fc.tuple(fc.integer({ min: 1, max: 64 }), fc.option(fc.integer({ min: 1, max: 64 }), { nil: undefined }), fc.integer({ min: -1, max: 2 }), fc.boolean()).map(([shardSize, maxStaleness, by, isAsync]) => {
      const most = Math.floor(16_384 / (1 + (isAsync ? (maxStaleness ?? 2) : 0)));
      const batchSize = Math.max(1, Math.min(1_000_000, most * shardSize + by));
      const update = { mode: isAsync ? 'async' : 'sync', ...(isAsync && maxStaleness !== undefined && { maxStaleness }) };
      return base({ placement: { shardSize }, meta: { batchSize, update } });
    }),
    near(131_072).map((batchSize) => base({ meta: { batchSize } })),
    fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 2 })).map(([batchSize, by]) => base({ meta: { batchSize }, placement: { shardSize: batchSize + by } })),
    // values and shards of an evaluation
    fc.tuple(fc.integer({ min: 10, max: 1000 }), fc.integer({ min: -1, max: 1 }), fc.boolean(), fc.constantFrom('maml', 'protonet')).map(([innerSteps, by, isImages, name]) => {
      const values = (isImages ? 2 : 1) * (name === 'protonet' ? 1 : innerSteps + 1);
      const tasks = Math.min(1_000_000, Math.floor(20_000_000 / values) + by);
      return base({ ...(isImages && { task: { distribution: 'omniglot' } }), algorithm: { name: isImages ? name : 'maml' }, evaluation: { tasks, innerSteps }, meta: { batchSize: 100_000 }, placement: { shardSize: 60_000 } });
    }),
    fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: -1, max: 1 })).map(([shardSize, by]) =>
      base({ evaluation: { tasks: Math.max(2, 16_384 * shardSize + by) }, placement: { shardSize }, meta: { batchSize: 64 } }),
    ),
    // rates
    rates().map((meta) => base({ meta })),
    // examples of a task
    fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: -1, max: 1 })).map(([shots, by]) =>
      base({ task: { distribution: 'sinusoid', shots }, algorithm: { name: 'reptile', innerBatchSize: 2 * shots + by } }),
    ),
    fc.tuple(fc.integer({ min: 1, max: 19 }), fc.integer({ min: 1, max: 19 })).map(([shots, queries]) =>
      base({ task: { distribution: 'omniglot', shots, queries } }),
    ),
  ) as fc.Arbitrary<Fields>; // biome-ignore format: a table
}

/** Rates that a schedule makes too small or too large for float32. */
function rates(): fc.Arbitrary<Fields> {
  const iterations = fc.oneof(
    fc.constantFrom(1, 2, 3, 10, 1000, 100_000_000, 200_000_000, 290_000_000, 305_000_000, 1_000_000_000),
    fc.integer({ min: 1, max: 100 }),
  );
  const learningRate = fc.constantFrom(0.001, 1, 1e-30, 1e-40, 1e-44, 1e20, 1e38);
  const final = fc.constantFrom(0, 0.5, 1, 2, 1e10, 1e30, 1e38);
  const schedule = fc.oneof(
    fc.record({ name: fc.constant('constant') }),
    fc.record({ name: fc.constantFrom('cosine', 'linear'), final }, { requiredKeys: ['name'] }),
    fc.record({
      name: fc.constant('step'),
      every: fc.constantFrom(1, 2, 3, 7, 1000),
      factor: fc.constantFrom(0.1, 0.5, 0.999, 1, 1.001, 2, 1e-20, 1e20),
    }),
  );
  return fc.record({
    iterations,
    optimizer: fc.record({ name: fc.constantFrom('adam', 'sgd'), learningRate }),
    schedule,
  }) as fc.Arbitrary<Fields>;
}
