// `metatrain reproduce`: every published figure's quick version passes its own gate, and what
// misses a gate exits 1.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { publishedNames, readPublished } from '../../client/cli/published.ts';
import { metatrain } from '../support/command.ts';
import { leftOutUnless } from '../support/needs.ts';

interface Answer {
  readonly isQuick: boolean;
  readonly isInside: boolean;
  readonly missed: readonly string[];
}

const data = process.env.METATRAIN_DATA_DIR;
const noOmniglot = leftOutUnless(
  data !== undefined && existsSync(`${data}/omniglot/images_background_small1.zip`),
  'the quick reproduction of Omniglot',
  'no Omniglot in METATRAIN_DATA_DIR',
);

for (const name of publishedNames()) {
  const skip = name.startsWith('omniglot') ? noOmniglot : false;
  test(`${name}: its quick version passes its gate`, { skip }, async (t) => {
    const { code, stderr, ...result } = await metatrain(t, ['reproduce', name, '--quick', '--json']);
    assert.equal(code, 0, stderr);
    const { isQuick, isInside, missed } = result.json<Answer>();
    assert.deepEqual({ isQuick, isInside, missed }, { isQuick: true, isInside: true, missed: [] });
  });
}

test('the figures are listed, and one that there is not is refused with their names', async (t) => {
  const listed = await metatrain(t, ['reproduce', '--list']);
  assert.equal(listed.code, 0, listed.stderr);
  const lines = listed.stdout.join('\n').split('\n');
  for (const name of publishedNames()) {
    const { title } = readPublished(name);
    assert.ok(
      lines.some((line) => line.startsWith(name) && line.includes(title)),
      name,
    );
  }
  const unknown = await metatrain(t, ['reproduce', 'no-such-figure']);
  assert.deepEqual(
    [unknown.code, unknown.stderr],
    [1, `error: name: got "no-such-figure"; accepted: ${publishedNames().join(', ')}\n`],
  );
});
