// Compares texts with files in test/golden. METATRAIN_UPDATE_GOLDEN=1 writes the files instead:
// read the difference before you commit it.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../shared/wire.ts';

const folder = join(packageRoot, 'test', 'golden');

export function assertGolden(name: string, text: string): void {
  const file = join(folder, `${name}.txt`);
  if (process.env.METATRAIN_UPDATE_GOLDEN === '1') {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text);
    return;
  }
  assert.ok(existsSync(file), `test/golden/${name}.txt is missing: METATRAIN_UPDATE_GOLDEN=1 npm test -- passes`);
  assert.equal(text, readFileSync(file, 'utf8'), `differs from test/golden/${name}.txt`);
}
