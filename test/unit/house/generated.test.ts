import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../../../shared/wire.ts';

function check(root: string): { readonly status: number | null; readonly stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-wire-types.mjs', '--check'], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, stderr };
}

test('shared/gen is what proto/ generates', () => {
  assert.deepEqual(check(packageRoot), { status: 0, stderr: '' });
});

test('a message that was added to the contract and not generated is noticed', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'metatrain-house-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const part of ['proto', 'scripts', join('shared', 'gen')]) {
    cpSync(join(packageRoot, part), join(root, part), { recursive: true });
  }
  symlinkSync(join(packageRoot, 'node_modules'), join(root, 'node_modules'));
  appendFileSync(join(root, 'proto', 'metatrain', 'v1', 'job.proto'), '\nmessage Forgotten { string name = 1; }\n');
  const { status, stderr } = check(root);
  assert.equal(status, 1);
  assert.match(stderr, /run npm run generate and commit the result/);
});
