// What a built program is made of, computed from its imports so that nothing is forgotten: files of
// ours and names of packages. For the small package (pack-client.mjs) and the images (make-app.mjs).
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

/**
 * Our files and the packages that the modules import, directly or indirectly. Modules that are
 * started by their URL, as threads are, count as imported.
 *
 * @param entryPoints built modules, such as dist/client/index.js.
 */
export async function importedBy(entryPoints) {
  const files = new Set();
  const packages = new Set();
  for (let pending = entryPoints; pending.length > 0; ) {
    const { metafile } = await build({
      entryPoints: pending,
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      metafile: true,
      write: false,
      outdir: tmpdir(),
      logLevel: 'error',
    });
    const found = Object.entries(metafile.inputs);
    for (const { external, path } of found.flatMap(([, { imports }]) => imports)) {
      if (external && !path.startsWith('node:')) packages.add(packageOf(path));
    }
    const fresh = found.map(([file]) => file).filter((file) => !files.has(file));
    for (const file of fresh) files.add(file);
    for (const name of fresh.flatMap(requiredBy)) packages.add(packageOf(name));
    pending = fresh.flatMap(startedBy).filter((file) => !files.has(file));
  }
  return { files: [...files], packages: [...packages] };
}

/** The modules that a module names by `new URL('./thread.js', import.meta.url)`. */
function startedBy(file) {
  const urls = readFileSync(file, 'utf8').matchAll(/new URL\('(\.[^']+\.js)', import\.meta\.url\)/g);
  return [...urls].map(([, path]) => join(dirname(file), path));
}

/** The packages that a module loads by a `require` of its own, which esbuild does not follow. */
function requiredBy(file) {
  const names = readFileSync(file, 'utf8').matchAll(/\brequire\('([^'.][^']*)'\)/g);
  return [...names].map(([, name]) => name);
}

/** `@scope/name/sub/path` → `@scope/name`. */
export function packageOf(specifier) {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** All files in a folder and in the folders in it. */
export function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
