// `npm run pack:client`: makes metatrain-client-VERSION.tgz, the library and the command without
// coordinator, worker and engines. The list of files is computed from the imports of the built
// client, so that none is forgotten. The argument is the output directory (default: this one);
// `--list` prints manifest and files as JSON and packs nothing.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { filesIn, importedBy, packageOf } from './imported-by.mjs';

const library = 'dist/client/index.js';
const command = 'dist/client/cli/main.js';
/** What `metatrain/learning` means to the plugins of `metatrain submit`. Not exported: its types need TensorFlow.js. */
const learning = 'dist/learning/index.js';
/**
 * Files that are read at run time instead of imported: by shared/wire.ts, `metatrain report` and
 * `metatrain quickstart`.
 */
const readFiles = [
  'dist/client/report/report-bundle.js',
  'shared/web/chart.css',
  'client/report/report.css',
  'LICENSE',
];
const readFolders = ['proto', 'examples'];
const readPackages = ['uplot'];

const whole = JSON.parse(readFileSync('package.json', 'utf8'));
const code = await importedBy([library, command, learning]);
const types = typesOf(library.replace(/\.[jt]s$/, '.d.ts'));
const files = [...new Set([...code.files, ...types.files, ...readFiles, ...readFolders.flatMap(filesIn)])].sort();
const packages = [...new Set([...code.packages, ...types.packages, ...readPackages])].sort();
const manifest = clientManifest(packages);

const [target = '.'] = process.argv.slice(2);
if (target === '--list') console.log(JSON.stringify({ manifest, files }, null, 2));
else pack(resolve(target));

/** The declaration files that an entry needs, found in the same way. */
function typesOf(entry) {
  const found = { files: new Set(), packages: new Set() };
  const pending = [entry];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (found.files.has(file)) continue;
    found.files.add(file);
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(/(?:\bfrom|\bimport\()\s*['"]([^'"]+)['"]/g)) {
      if (specifier.startsWith('.')) pending.push(join(dirname(file), specifier).replace(/\.[jt]s$/, '.d.ts'));
      else if (!specifier.startsWith('node:')) found.packages.add(packageOf(specifier));
    }
  }
  return found;
}

function clientManifest(names) {
  const undeclared = names.filter((name) => whole.dependencies[name] === undefined);
  if (undeclared.length > 0) throw new Error(`the client imports ${undeclared.join(', ')}: not in dependencies`);
  const { version, license, type, engines, bin, main, types } = whole;
  const { './learning': _, ...exports } = whole.exports;
  return {
    name: 'metatrain-client',
    version,
    description:
      'The client of a MetaTrain cluster: the library and the `metatrain` command, without coordinator, worker and engines.',
    ...{ license, type, engines, bin, main, types, exports },
    dependencies: Object.fromEntries(names.map((name) => [name, whole.dependencies[name]])),
  };
}

function pack(target) {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-client-'));
  try {
    for (const file of files) {
      mkdirSync(dirname(join(directory, file)), { recursive: true });
      cpSync(file, join(directory, file));
    }
    cpSync('docs/installing.md', join(directory, 'README.md'));
    writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', target], {
      cwd: directory,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    });
    console.log(packed.trim());
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
