// Every command of docs/kubernetes.md, in its order, on a real cluster. A block without a mark must
// succeed. The ten minutes of its first section are counted. With METATRAIN_WRITE_FIGURES the outputs
// are pasted into the page.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../../shared/wire.ts';
import { openCache } from './cluster/cache.ts';
import { type Block, blocksOf, runBlock, withFigures } from './support/guide.ts';
import { home } from './support/installation.ts';
import { kubectl, kubectlProgram } from './support/kubectl.ts';
import { deleteNamespace } from './support/namespace.ts';

const page = join(packageRoot, 'docs', 'kubernetes.md');
const blocks = blocksOf(readFileSync(page, 'utf8'));

test('every block is run, or the page says that it is not', () => {
  assert.ok(blocks.length > 15);
  for (const block of blocks) {
    assert.equal(block.mark === 'not run here', /not run here/i.test(block.paragraph) && block.mark !== '', block.text);
  }
});

test('every command of the guide succeeds, and the first section takes less than ten minutes', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'metatrain-guide-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  t.after(() => deleteNamespace('metatrain-by-helm'));
  t.after(() => deleteNamespace(home));
  t.after(() => kubectl(['delete', 'pv', 'metatrain-state', '--ignore-not-found', '--timeout=60s']));
  for (const name of ['deploy', 'examples']) symlinkSync(join(packageRoot, name), join(folder, name));
  const environment = { PATH: `${programs(folder)}:${process.env.PATH}` };

  const seconds = new Map<string, number>();
  const figures = new Map<string, string>();
  for (const block of blocks.filter(({ mark }) => mark !== 'not run here')) {
    const startedAt = performance.now();
    const output = await runBlock(block, folder, environment);
    const took = (performance.now() - startedAt) / 1000;
    seconds.set(block.section, (seconds.get(block.section) ?? 0) + took);
    if (block.figure !== undefined) figures.set(block.figure, figureOf(block, output));
  }
  for (const [section, sum] of seconds) t.diagnostic(`${section}: ${sum.toFixed(1)} s`);
  assert.ok(seconds.get('In ten minutes')! < 600);

  if (process.env.METATRAIN_WRITE_FIGURES) {
    const text = readFileSync(page, 'utf8');
    for (const [name, output] of figures) {
      writeFileSync(join(packageRoot, 'docs', 'figures', `${name}.txt`), output);
    }
    writeFileSync(page, withFigures(text, figures));
    return;
  }
  // Names, ages and times differ between runs; the heads of the tables do not.
  for (const [name, output] of figures) {
    const shown = readFileSync(join(packageRoot, 'docs', 'figures', `${name}.txt`), 'utf8');
    const head = (text: string) => text.split('\n')[0]!.replaceAll(/\d+/g, '0').replaceAll(/ +/g, ' ');
    assert.equal(head(output), head(shown), `${name}: npm run test:kubernetes -- guide --figures`);
  }
});

/** `metatrain`, `helm` and `kubectl` as the page calls them. */
function programs(folder: string): string {
  const bin = mkdtempSync(join(folder, 'bin-'));
  const main = join(packageRoot, 'dist', 'client', 'cli', 'main.js');
  writeFileSync(join(bin, 'metatrain'), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
  chmodSync(join(bin, 'metatrain'), 0o755);
  symlinkSync(join(openCache().bin, 'helm4'), join(bin, 'helm'));
  if (kubectlProgram !== 'kubectl') symlinkSync(kubectlProgram, join(bin, 'kubectl'));
  return bin;
}

/** The part of a block's output that the page shows: that of its last command which prints a table. */
function figureOf({ text }: Block, output: string): string {
  const lines = output.trimEnd().split('\n');
  const isNews = (line: string) =>
    /(created|configured|unchanged|patched|scaled|restarted|condition met|rolled out|rollout to finish|pods to be ready|update complete.*|rolling update.*|\.\.\.)$/.test(
      line,
    );
  const shown = /--watch|get |jsonpath/.test(text) ? lines.filter((line) => !isNews(line)) : lines;
  const trimmed = shown.map((line) => line.trimEnd());
  const isLong = trimmed.length > 14;
  return `${(isLong ? [...trimmed.slice(0, 8), '…', ...trimmed.slice(-4)] : trimmed).join('\n')}\n`;
}
