// `npm run figures [NAME …]`: runs the examples, keeps what they print in docs/figures/, and puts each print where a page shows it. A page shows
// one as `<!-- figure NAME -->` followed by a fenced block; test/unit/house checks that block and file are equal.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'docs', 'figures');

/** Name of the file in docs/figures → arguments of `metatrain`. */
const figures = {
  quickstart: ['quickstart'],
  'sinusoid-reptile': ['run', 'examples/sinusoid-reptile.yaml', '--workers', '2'],
  'omniglot-5way-1shot': ['run', 'examples/omniglot-5way-1shot.yaml', '--workers', '2'],
  'omniglot-5way-1shot-fomaml': ['run', 'examples/omniglot-5way-1shot-fomaml.yaml', '--workers', '2'],
  'check-cpu': ['worker', '--check'],
  'check-webgpu': ['worker', '--check', '--device', 'webgpu'],
  'check-tensorflow': ['worker', '--check', '--engine', 'eager'],
};

/** What a figure must be told by the environment; without it, it is left out. */
const needs = { 'check-webgpu': 'VK_ICD_FILENAMES', 'check-tensorflow': 'METATRAIN_TFJS_NODE' };

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(figures, name));
if (unknown.length > 0) {
  console.error(`figures: got ${unknown.join(', ')}; accepted: ${Object.keys(figures).join(', ')}`);
  process.exit(2);
}
for (const [name, args] of Object.entries(figures)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  if (needs[name] !== undefined && !process.env[needs[name]]) {
    console.error(`figures: ${name} is left out: ${needs[name]} is not set (docs/devices.md)`);
    continue;
  }
  console.error(`figures: metatrain ${args.join(' ')}`);
  const printed = execFileSync(process.execPath, [join(root, 'dist', 'client', 'cli', 'main.js'), ...args], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  writeFileSync(join(folder, `${name}.txt`), `${printed.trim()}\n`);
}
for (const page of ['README.md', ...readdirSync(join(root, 'docs')).map((file) => join('docs', file))]) {
  if (!page.endsWith('.md')) continue;
  const before = readFileSync(join(root, page), 'utf8');
  const after = before.replace(/(<!-- figure ([\w-]+) -->\n```text\n)[\s\S]*?(```)/g, (_, head, name, tail) => {
    return `${head}${readFileSync(join(folder, `${name}.txt`), 'utf8')}${tail}`;
  });
  if (after !== before) writeFileSync(join(root, page), after);
}
