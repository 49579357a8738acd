// `metatrain parts`: what it says of a part follows from the part.
import assert from 'node:assert/strict';
import test from 'node:test';
import { parse } from 'yaml';
import { partsPage, renderParts } from '../../../client/cli/render/parts.ts';
import type { CustomResourceDefinition } from '../../../learning/crd/definition.ts';
import { listParts } from '../../../learning/listing.ts';
import { loadRegistry } from '../../../learning/load.ts';
import { builtIn } from '../../../learning/registry.ts';
import { metatrain } from '../../support/command.ts';
import { modelModule, pluginFolder } from '../../support/plugin-files.ts';

test('every built-in part is listed with where it came from and with each of its fields', () => {
  const parts = listParts(builtIn);
  const all = builtIn.list().map(({ part }) => part);
  assert.deepEqual(
    parts.map(({ kind, name, plugin }) => [kind, name, plugin]),
    all.map(({ kind, name }) => [kind, name, null]),
  );
  for (const [index, { schema, kind }] of all.entries()) {
    const own = Object.keys(schema.shape);
    const listed = parts[index]!.fields.map(({ name }) => name);
    assert.deepEqual(listed, kind === 'optimizer' ? ['learningRate', ...own] : own);
  }
});

test('a part of a plugin says its file and hash, its defaults, and what it accepts in words', async (t) => {
  const schema = `schema: z.strictObject({
    width: z.int().min(1).max(9).default(2),
    rate: z.number().positive(),
    mode: z.enum(['a', 'b']).default('b'),
    sizes: z.array(z.int().min(1)).max(3).default([4]),
    range: z.tuple([z.number(), z.number()]).default([0, Math.PI]),
    isOn: z.boolean().optional(),
  }), variants: { usual: { rate: 1 } }`;
  const file = pluginFolder(t).write('parts.js', modelModule(schema));
  const registry = await loadRegistry([file]);
  const part = listParts(registry).find(({ name }) => name === 'line');
  const { sha256 } = registry.plugins[0]!;
  assert.deepEqual(part?.plugin, { name: 'parts.js', sha256, file });
  const lines = renderParts([part!]).split('\n');
  assert.deepEqual(lines, [
    'Models (model)',
    '',
    '  line: a line',
    '    y = a·x + b',
    `    from: parts.js (sha256 ${sha256.slice(0, 12)}), ${file}`,
    '    width  whole number, 1 to 9, default 2',
    '    rate   number, above 0, required',
    '    mode   a | b, default "b"',
    '    sizes  list, at most 3, of: whole number, at least 1, default [4]',
    '    range  [number, number], default [0,3.14159]',
    '    isOn   true | false',
  ]);
  assert.match(
    partsPage([part!]),
    /^\| `line` \| a line: y = a·x \+ b \| `width`: whole number, 1 to 9, default 2<br>/m,
  );
  assert.match(partsPage([part!]), /`mode`: a \\\| b/);
});

test('metatrain parts --json lists a plugin of METATRAIN_PLUGIN, and says why one cannot be used', async (t) => {
  const folder = pluginFolder(t);
  const listed = await metatrain(t, ['parts', '--json'], { METATRAIN_PLUGIN: folder.example() });
  const { parts } = listed.json<{ parts: { name: string; plugin: { name: string } | null }[] }>();
  assert.equal(parts.find(({ name }) => name === 'residual-mlp')?.plugin?.name, 'my-parts.js');
  const refused = await metatrain(t, ['parts', '--plugin', folder.write('bad.js', 'export const a = 1;'), '--json']);
  assert.equal(refused.code, 1);
  assert.equal(refused.json<{ error: { code: string } }>().error.code, 'PLUGIN_INVALID');
});

test('metatrain parts --crd prints the CustomResourceDefinition with the parts of a plugin', async (t) => {
  const printed = await metatrain(t, ['parts', '--crd', '--plugin', pluginFolder(t).example()]);
  // longer than what a job file may be
  const definition = parse(printed.stdout.join('\n')) as CustomResourceDefinition;
  assert.equal(definition.kind, 'CustomResourceDefinition');
  const { job } = definition.spec.versions[0]!.schema.openAPIV3Schema.properties!.spec!.properties!;
  assert.ok(job!.properties!.model!.properties!.architecture!.enum!.includes('residual-mlp'));
});
