// The console is a page of modules that the coordinator serves one by one: a module that is imported
// and not served breaks every page.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { sharedModules } from '../../../coordinator/http/console-files.ts';

const built = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

test("every module that the console's modules import is served", () => {
  const pages = readdirSync(join(built, 'console')).filter((name) => name.endsWith('.js'));
  const served = new Set([
    ...pages.map((name) => `console/${name}`),
    ...sharedModules.map((name) => `shared/${name}.js`),
  ]);
  const missing = [...served].flatMap((module) => {
    const text = readFileSync(join(built, module), 'utf8');
    const imported = [...text.matchAll(/\b(?:from|import) ?'(\.{1,2}\/[^']+)'/g)];
    return imported
      .map(([, path]) => normalize(join(dirname(module), path!)))
      .filter((path) => !served.has(path))
      .map((path) => `${module} imports ${path}`);
  });
  assert.deepEqual(missing, []);
});
