// Checks documents: every relative link leads to a file, and to a heading if it names one. Every ADR has a
// date and a status. The sections of the CHANGELOG have the form of Keep a Changelog.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../../../shared/wire.ts';

const markdownUnder = (folder: string): string[] =>
  readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => join(folder, file));

const documents = ['README.md', 'CHANGELOG.md', ...markdownUnder('docs'), ...markdownUnder('examples')];
const read = (file: string): string => readFileSync(join(packageRoot, file), 'utf8');
const withoutCode = (text: string): string => text.replace(/^ *```[\s\S]*?^ *```/gm, '').replace(/`[^`\n]*`/g, '');

/** GitHub's rule: lower case, no punctuation, hyphens for spaces; a second heading of one text ends in -1. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of text.replace(/^ *```[\s\S]*?^ *```/gm, '').matchAll(/^#+ +(.+)$/gm)) {
    const plain = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = plain.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    let unique = anchor;
    for (let again = 1; anchors.has(unique); again += 1) unique = `${anchor}-${again}`;
    anchors.add(unique);
  }
  return anchors;
}

function deadLinks(file: string, text: string): string[] {
  const dead: string[] = [];
  for (const [, target] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target!)) continue;
    const [path, anchor] = target!.split('#') as [string, string?];
    const linked = join(dirname(file), path);
    const isHere = path === '';
    if (!isHere && !existsSync(join(packageRoot, linked))) dead.push(`${file}: ${target}: no such file`);
    else if (anchor !== undefined && !anchorsOf(isHere ? text : read(linked)).has(anchor))
      dead.push(`${file}: ${target}: no such heading`);
  }
  return dead;
}

test('every relative link in README, CHANGELOG, docs and examples leads somewhere', () => {
  assert.deepEqual(
    documents.flatMap((file) => deadLinks(file, read(file))),
    [],
  );
});

test('a link to a missing file or heading is found', () => {
  const text = '# A Title\n[a](#a-title) [b](console.md#tokens) [c](absent.md) [d](#absent) [e](https://example.org)\n';
  assert.deepEqual(deadLinks('docs/page.md', text), [
    'docs/page.md: absent.md: no such file',
    'docs/page.md: #absent: no such heading',
  ]);
});

/** Paths of ours in backticks that are not there; a path with a capital name, such as `NAME.ts`, is a pattern. */
function deadPaths(file: string, text: string): string[] {
  const folders = 'proto|shared|learning|coordinator|worker|client|console|replay|deploy|examples|bench|scripts|test';
  const named = text.matchAll(new RegExp(`\`((?:${folders})/[\\w./-]+)\``, 'g'));
  return [...named]
    .map(([, path]) => path!)
    .filter((path) => !/[A-Z]{3}/.test(path) && !existsSync(join(packageRoot, path)))
    .map((path) => `${file}: ${path}`);
}

test('every path of ours that README, docs and decisions in force name is there', () => {
  const inForce = documents.filter((file) => file !== 'CHANGELOG.md' && !/^- Status: superseded/m.test(read(file)));
  assert.ok(inForce.length > 30);
  assert.deepEqual(
    inForce.flatMap((file) => deadPaths(file, read(file))),
    [],
  );
});

test('a path that is not there is found, and a pattern is none', () => {
  assert.deepEqual(deadPaths('page.md', 'See `shared/absent.ts`, `shared/errors.ts` and `learning/tasks/NAME.ts`.'), [
    'page.md: shared/absent.ts',
  ]);
});

const decisions = readdirSync(join(packageRoot, 'docs', 'adr')).filter((file) => file !== 'README.md');
const index = read(join('docs', 'adr', 'README.md')).replace(/\s+/g, ' ');

test('every ADR has a number, a date and a status, and the index lists it by its title', () => {
  assert.ok(decisions.length > 20);
  decisions.forEach((file, at) => {
    assert.match(file, new RegExp(`^${String(at + 1).padStart(4, '0')}-[a-z0-9-]+\\.md$`), 'numbers have no gap');
    const [title, blank, date, status] = read(join('docs', 'adr', file)).split('\n');
    assert.match(title!, new RegExp(`^# ${at + 1}\\. \\S`), file);
    assert.equal(blank, '', file);
    assert.ok(!Number.isNaN(Date.parse(/^- Date: (\d{4}-\d\d-\d\d)$/.exec(date!)?.[1] ?? '')), `${file}: ${date}`);
    assert.match(status!, /^- Status: (accepted|superseded by \[ADR \d+\]\([\w-]+\.md\))/, file);
    assert.ok(index.includes(`- [${title!.slice(2)}](${file}) `), `docs/adr/README.md has no line for ${file}`);
  });
});

test('every section of the CHANGELOG is unreleased, a milestone or a release, with groups of Keep a Changelog', () => {
  for (const [, heading] of read('CHANGELOG.md').matchAll(/^## (.+)$/gm)) {
    assert.match(heading!, /^(\[Unreleased\]|Milestone \d{4}-\d\d-\d\d|\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d)$/);
  }
  for (const [, heading] of read('CHANGELOG.md').matchAll(/^### (.+)$/gm)) {
    assert.match(heading!, /^(Added|Changed|Deprecated|Removed|Fixed|Security)$/);
  }
});
