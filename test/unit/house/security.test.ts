import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../../../shared/wire.ts';

test('every line of the threat model names a test that exists', () => {
  const document = readFileSync(join(packageRoot, 'docs', 'security.md'), 'utf8');
  const model = document.slice(document.indexOf('## Threat model'), document.indexOf('**Not covered.**'));
  const lines = model.split('\n').filter((line) => /^\| (?!threat)/.test(line));
  assert.ok(lines.length > 20);
  for (const line of lines) {
    const cells = line.split('|').map((cell) => cell.trim());
    const [, file, name] = /^`(\S+\.test\.ts)`: (.+)$/.exec(cells[3] ?? '') ?? [];
    assert.ok(file && name, `a line without a test: ${line}`);
    const source = readFileSync(join(packageRoot, 'test', file), 'utf8');
    const titles = [...source.matchAll(/^\s*(?:test|it)\((['"])(.+?)\1,/gm)].map(([, , title]) => title);
    assert.ok(titles.includes(name), `${file} has no test "${name}"`);
  }
});
