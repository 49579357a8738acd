// npm's `prepare`: npm runs it after `npm ci` in a checkout, before `npm pack`, and to install this package from git.
// It makes onnxruntime-node fit to travel inside our package, and builds dist/ where the compilers are installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

withoutInstallScript('node_modules/onnxruntime-node/package.json');

/** Made by esbuild of report.ts. */
const bundle = join('client', 'report', 'report-bundle.js');
const compilers = ['typescript', 'esbuild'];
const missing = compilers.filter((name) => !existsSync(`node_modules/${name}/package.json`));
if (missing.length === 0) {
  removeModulesWithoutSource('dist');
  // npm is a batch file on Windows, which only a shell can start.
  const { status } = spawnSync('npm run build', { shell: true, stdio: 'inherit' });
  process.exitCode = status ?? 1;
} else {
  const state = existsSync('dist') ? 'dist/ stays as it is' : 'there is no dist/ yet';
  console.error(
    `prepare: not built, because ${missing.join(' and ')} (devDependencies) are not installed; ${state}. Build with: npm ci && npm run build`,
  );
}

/**
 * onnxruntime-node's install script downloads 300 MB of CUDA libraries from another host than the registry, and fails the whole install where it
 * cannot reach that host. Our package bundles onnxruntime-node, and npm runs the scripts of bundled packages too: so it travels without one.
 * Written aside and renamed, because node_modules may consist of hard links to another checkout's.
 */
function withoutInstallScript(file) {
  if (!existsSync(file)) return;
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  if (manifest.scripts?.postinstall === undefined) return;
  delete manifest.scripts.postinstall;
  writeFileSync(`${file}.new`, `${JSON.stringify(manifest, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** The compiler leaves behind what it made of a source that was removed or renamed since; it must not get into the package. */
function removeModulesWithoutSource(built) {
  if (!existsSync(built)) return;
  for (const name of readdirSync(built, { recursive: true })) {
    const source = /^(.*?)(\.d\.ts|\.js)(\.map)?$/.exec(name)?.[1];
    if (source === undefined || existsSync(`${source}.ts`) || name === bundle) continue;
    rmSync(join(built, name));
  }
}
