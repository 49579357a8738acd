// Numbers in prose come from files that a command regenerates: what a page shows of a run is what docs/figures holds.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../../../shared/wire.ts';

const pages = ['README.md', ...readdirSync(join(packageRoot, 'docs')).map((file) => join('docs', file))];

test('every figure on a page is what its file holds', () => {
  let shown = 0;
  for (const page of pages.filter((file) => file.endsWith('.md'))) {
    const text = readFileSync(join(packageRoot, page), 'utf8');
    for (const [, name, block] of text.matchAll(/<!-- figure ([\w-]+) -->\n```text\n([\s\S]*?)```/g)) {
      const file = join(packageRoot, 'docs', 'figures', `${name}.txt`);
      assert.equal(block, readFileSync(file, 'utf8'), `${page} shows another ${name}: npm run figures ${name}`);
      shown += 1;
    }
    assert.equal(
      text.split('<!-- figure ').length - 1,
      [...text.matchAll(/<!-- figure [\w-]+ -->\n```text\n/g)].length,
    );
  }
  assert.ok(shown > 0);
});
