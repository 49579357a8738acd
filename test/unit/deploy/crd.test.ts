// The CRD of MetaTrainJob, as far as it can be seen without an API server: a structural schema with
// bounds, small, and with every check of a built-in part. What it accepts,
// test/kubernetes/crd.test.ts asks a real API server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { group, kind, plural, version } from '../../../deploy/controller/resource.ts';
import { customResourceDefinition } from '../../../deploy/kubernetes/source/crd/index.ts';
import { resourceNames } from '../../../learning/crd/definition.ts';
import { choiceOf, withValues } from '../../../learning/crd/names.ts';
import { type Structural, structuralOf } from '../../../learning/crd/structural.ts';
import { defineAlgorithm } from '../../../learning/index.ts';
import { type AnyPart, partKinds } from '../../../learning/part.ts';
import { builtIn, builtInParts, Registry } from '../../../learning/registry.ts';
import { compactYamlText } from '../../../shared/job-spec/yaml.ts';

const schemaOf = (registry?: Registry): Structural =>
  customResourceDefinition(registry).spec.versions[0]!.schema.openAPIV3Schema;

const jobSchema = (registry?: Registry): Structural => schemaOf(registry).properties!.spec!.properties!.job!;

function* nodes(schema: Structural, path = ''): Iterable<readonly [path: string, schema: Structural]> {
  yield [path, schema];
  for (const [name, field] of Object.entries(schema.properties ?? {})) yield* nodes(field, `${path}.${name}`);
  if (schema.additionalProperties) yield* nodes(schema.additionalProperties, `${path}.*`);
  if (schema.items) yield* nodes(schema.items, `${path}[]`);
}

test('the CRD is below 200 kB as YAML and as JSON, and so fits into the annotation of kubectl apply', () => {
  const definition = customResourceDefinition();
  const bytes = Buffer.byteLength(compactYamlText(definition));
  assert.ok(bytes < 200_000, `${bytes}`);
  assert.ok(Buffer.byteLength(JSON.stringify(definition)) < 200_000);
});

test("the CRD has the controller's names", () => {
  assert.deepEqual(resourceNames, { group, version, kind, plural });
});

test('every field but the size of images has a type, and no default stands anywhere', () => {
  const untyped = [...nodes(jobSchema())].filter(([, { type }]) => type === undefined).map(([path]) => path);
  assert.deepEqual(untyped, ['.task.size', '.published.protocol.task.size']);
  for (const [path, schema] of nodes(schemaOf())) assert.ok(!('default' in schema), path);
});

test('every text, list and mapping of a job file has a bound, so that rules have a bounded cost', () => {
  for (const [path, schema] of nodes(jobSchema())) {
    if (schema.type === 'string') assert.ok(schema.enum ?? schema.maxLength ?? schema.pattern, path);
    if (schema.type === 'array') assert.ok(schema.maxItems !== undefined, path);
    if (schema.additionalProperties) assert.ok(schema.maxProperties !== undefined, path);
  }
});

test('every field of a job file is described', () => {
  const own = [...nodes(jobSchema())].filter(([path]) => !/^$|\[\]|\*|^\.published\.(protocol|figure)\.|innerOptimizer\.|table\.|splits\.|alphabets\./.test(path)); // biome-ignore format: one line
  assert.deepEqual(own.filter(([, { description }]) => !description).map(([path]) => path), []); // biome-ignore format: one line
});

test('a built-in part that says something in CEL leaves out none of its checks', () => {
  const fields = { get: (_target: object, name: string) => `self.${name}` };
  const anyFields = new Proxy({}, fields) as never;
  const facts = builtIn.all('distribution')[0]!.cel!(anyFields, { evaluationSplit: "'test'" }).facts;
  for (const kindOfPart of partKinds) {
    for (const part of builtIn.all(kindOfPart) as readonly AnyPart[]) {
      if (!part.cel) continue;
      const said: object = part.cel(anyFields, { task: facts, evaluationSplit: "'test'" } as never);
      for (const member of ['check', 'needs', 'needsModel', 'facts', 'passes', 'evaluationPasses', 'layers', 'parameters', 'measures', 'axis']) {
        if (member === 'needs' && part.kind === 'model' && part.name === 'mlp') continue;
        assert.ok(!(member in part) || member in said, `${part.kind} ${part.name}: ${member} is not in cel`);
      }
    }
  } // biome-ignore format: a list of names
});

test('a field of one option only is refused with another option, by a rule that names both', () => {
  const schema = structuralOf(
    z.discriminatedUnion('name', [
      z.strictObject({ name: z.literal('a'), steps: z.int().min(1).max(5), only: z.boolean().optional() }),
      z.strictObject({ name: z.literal('b'), steps: z.int().min(0).max(9).default(3) }),
    ]),
  );
  assert.deepEqual(schema.properties!.steps, { type: 'integer', minimum: 0, maximum: 9 });
  assert.deepEqual(schema['x-kubernetes-validations']?.map(({ rule }) => rule), [
    "has(self.steps) || !(self.name == 'a')",
    "!has(self.steps) || !(self.name == 'a') || self.steps >= 1 && self.steps <= 5",
    "!has(self.only) || self.name == 'a'",
  ]); // biome-ignore format: a list of rules
});

test('a value that a rule uses once is put in its place, one that it uses twice is bound, and none is left as a name', () => {
  const values = new Map([
    ['shard', '$batch < 8 ? $batch : 8'],
    ['batch', 'self.meta.?batchSize.orValue(32)'],
    ['most', '100'],
  ]);
  assert.equal(withValues('$batch <= $most', values), 'self.meta.?batchSize.orValue(32) <= 100');
  const bound = '[self.meta.?batchSize.orValue(32)].all(batch, (batch < 8 ? batch : 8) <= 100)';
  assert.equal(withValues('$shard <= $most', values), bound);
  const choice = choiceOf('self.name', [['1', ['a', 'b']], ['x ? 2 : 3', ['c']], ['4', ['d']]]); // biome-ignore format: one line
  assert.equal(choice, "self.name in ['a', 'b'] ? 1 : self.name == 'c' ? (x ? 2 : 3) : 4");
  const rules = [...nodes(schemaOf())].flatMap(([, schema]) => schema['x-kubernetes-validations'] ?? []);
  assert.deepEqual(rules.filter(({ rule }) => /\$[a-z]/.test(rule)), []); // biome-ignore format: one line
});

test('no rule reads a field to which a plugin gives another type than a built-in part does', () => {
  const part = defineAlgorithm({
    name: 'my-own',
    title: 'My own',
    summary: 'does what it does',
    paper: '',
    schema: z.strictObject({ heads: z.array(z.string().max(5)).max(3).optional() }),
    variants: { plain: {} },
    describe: () => 'My own',
    passes: () => 1,
    build: () => {
      throw new Error('is never built here');
    },
  });
  const readers = (registry?: Registry) =>
    jobSchema(registry)['x-kubernetes-validations']!.filter(({ rule }) => /self\.algorithm\.\??heads\b/.test(rule));
  assert.ok(readers().length > 0);
  const plugin = { name: 'mine', sha256: '0'.repeat(64), file: 'mine.js', parts: [part] };
  assert.deepEqual(readers(new Registry(builtInParts, [plugin])), []);
});

test('a plugin’s part is in the schema, and its products are left to the coordinator where it has no CEL', () => {
  const part = defineAlgorithm({
    name: 'my-own',
    title: 'My own',
    summary: 'does what it does',
    paper: '',
    schema: z.strictObject({ innerSteps: z.int().min(1).max(7).default(2), mine: z.number().optional() }),
    variants: { plain: {} },
    describe: () => 'My own',
    passes: () => 1,
    build: () => {
      throw new Error('is never built here');
    },
  });
  const plugin = { name: 'mine', sha256: '0'.repeat(64), file: 'mine.js', parts: [part] };
  const algorithm = jobSchema(new Registry(builtInParts, [plugin])).properties!.algorithm!;
  assert.ok(algorithm.properties!.name!.enum?.includes('my-own'));
  assert.equal(algorithm.properties!.mine?.type, 'number');
  const rules = algorithm['x-kubernetes-validations']!.map(({ rule }) => rule);
  assert.ok(rules.includes("!has(self.mine) || self.name == 'my-own'"));
  const narrower = "!has(self.innerSteps) || !(self.name == 'my-own') || self.innerSteps <= 7";
  assert.ok(rules.includes(narrower), rules.join('\n'));
});
