// docs/engine.md shows the catalogue of operators, the passes and the checks as they are.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../../../shared/wire.ts';
import { switchable } from '../../../worker/engine/passes/pipeline.ts';
import { operatorFamilies } from '../engine/operators.ts';

const page = readFileSync(join(packageRoot, 'docs', 'engine.md'), 'utf8');

test('the operator table has a row for every operator of the catalogue, and no check of it fails', () => {
  const table = /<!-- table operators -->\n([\s\S]*?)<!-- end of table -->/.exec(page)![1]!;
  const rows = table.trim().split('\n').slice(2);
  const cells = rows.map((row) => row.split('|').map((cell) => cell.trim()));
  const expected = operatorFamilies.flatMap(({ family, cases }) => [`**${family}**`, ...cases.map(({ name }) => name)]);
  assert.deepEqual(
    cells.map(([, name]) => name),
    expected,
    'npm run docs:engine operators',
  );
  const byName = new Map(cells.map((row) => [row[1], row.slice(2, 7)]));
  for (const { name, valuesOnly } of operatorFamilies.flatMap(({ cases }) => cases)) {
    const [traced, batched, secondOrder, cpu, webgpu] = byName.get(name)!;
    assert.deepEqual([traced, batched, secondOrder, cpu], ['yes', 'yes', valuesOnly ? '·' : 'yes', 'yes'], name);
    assert.ok(webgpu === 'yes' || webgpu === 'no' || webgpu === '–', name);
  }
});

test('every pass that can be left out is on the page', () => {
  for (const name of switchable) assert.ok(page.includes(`\`${name}\``), name);
});
