// The job file's JSON Schema agrees with the check that a coordinator makes, as far as single fields go.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Ajv } from 'ajv';
import { jobFilePage } from '../../../client/cli/render/job-file-page.ts';
import { jobFileSchema } from '../../../learning/json-schema.ts';
import { plainYaml } from '../../../shared/job-spec/yaml.ts';
import { packageRoot } from '../../../shared/wire.ts';

const schema = jobFileSchema();
const accepts = new Ajv({ strict: false, validateFormats: false }).compile(schema);
const examples = join(packageRoot, 'examples');
const read = (file: string) => readFileSync(join(examples, file), 'utf8');
const files = readdirSync(examples).filter((file) => file.endsWith('.yaml'));

test('every example names the schema and is valid by it', () => {
  assert.ok(files.length > 20);
  for (const file of files) {
    const text = read(file);
    assert.ok(text.startsWith('# yaml-language-server: $schema=job-file.schema.json\n'), file);
    assert.ok(accepts(plainYaml(text)), `${file}: ${JSON.stringify(accepts.errors)}`);
  }
});

test('a wrong field, value or bound is not valid', () => {
  const job = plainYaml(read('sinusoid.yaml')) as Record<string, object>;
  assert.ok(accepts({ ...job, tags: ['nightly', 'sweep=1'] }));
  const wrong = [
    { ...job, sead: 1 },
    { ...job, seed: -1 },
    { ...job, tags: 'nightly' },
    { ...job, tags: ['Nightly'] },
    { ...job, task: { ...job.task, ways: 5 } },
    { ...job, algorithm: { name: 'mamel' } },
    { ...job, meta: { ...job.meta, iterations: 'many' } },
  ];
  for (const one of wrong) assert.equal(accepts(one), false, JSON.stringify(one));
});

test('fields are explained where they stand', () => {
  const { properties } = schema;
  assert.equal(properties?.meta?.properties?.batchSize?.description, 'Tasks of one meta-batch. Default: 32.');
  const maml = properties?.algorithm?.oneOf?.find((choice) => choice.properties?.name?.const === 'maml');
  assert.match(maml?.properties?.innerSteps?.description ?? '', /maml/);
});

test('the page and the schema beside the examples are what npm run docs:job-file writes', () => {
  assert.equal(read('job-file.schema.json'), `${JSON.stringify(schema)}\n`);
  assert.equal(readFileSync(join(packageRoot, 'docs', 'job-file.md'), 'utf8'), jobFilePage(schema));
});
