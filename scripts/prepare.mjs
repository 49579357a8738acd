// npm's `prepare` script, which npm runs after `npm ci` in a checkout, before `npm pack`, and when
// it installs this package from git. Prepares onnxruntime-node for bundling into our package, and
// builds dist/ if the compilers are installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

withoutInstallScript('node_modules/onnxruntime-node/package.json');

/** esbuild makes it from report.ts. */
const bundle = join('client', 'report', 'report-bundle.js');
const compilers = ['typescript', 'esbuild'];
const missing = compilers.filter((name) => !existsSync(`node_modules/${name}/package.json`));
if (missing.length === 0) {
  removeModulesWithoutSource('dist');
  // npm is a batch file on Windows, which needs a shell.
  const { status } = spawnSync('npm run build', { shell: true, stdio: 'inherit' });
  process.exitCode = status ?? 1;
} else {
  const state = existsSync('dist') ? 'dist/ stays as it is' : 'there is no dist/ yet';
  console.error(
    `prepare: not built, because ${missing.join(' and ')} (devDependencies) are not installed; ${state}. Build with: npm ci && npm run build`,
  );
}

/**
 * Removes the install script of onnxruntime-node. That script downloads 300 MB of CUDA libraries
 * from a host other than the registry, and without this host the whole install fails. Our package
 * bundles onnxruntime-node, and npm also runs the scripts of bundled packages. Writes a new file
 * and renames it, because node_modules may consist of hard links to another checkout's files.
 */
function withoutInstallScript(file) {
  if (!existsSync(file)) return;
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  if (manifest.scripts?.postinstall === undefined) return;
  delete manifest.scripts.postinstall;
  writeFileSync(`${file}.new`, `${JSON.stringify(manifest, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/**
 * The compiler leaves the output of sources that were removed or renamed. This output must not get
 * into the package.
 */
function removeModulesWithoutSource(built) {
  if (!existsSync(built)) return;
  for (const name of readdirSync(built, { recursive: true })) {
    const source = /^(.*?)(\.d\.ts|\.js)(\.map)?$/.exec(name)?.[1];
    if (source === undefined || existsSync(`${source}.ts`) || name === bundle) continue;
    rmSync(join(built, name));
  }
}
