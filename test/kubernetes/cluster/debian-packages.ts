// Programs of Debian, unpacked into a folder: nothing is installed on the machine.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from './processes.ts';

/**
 * Downloads and unpacks the packages, with those of their dependencies that the machine lacks.
 *
 * @param folder gets `root`, where the packages are unpacked; what is there already is reused.
 * @returns whether they were unpacked now.
 */
export function unpackPackages(folder: string, packages: readonly string[]): boolean {
  const root = join(folder, 'root');
  const stamp = join(folder, 'unpacked');
  if (existsSync(stamp)) return false;
  const archives = join(folder, 'packages');
  mkdirSync(archives, { recursive: true });
  mkdirSync(root, { recursive: true });
  runProgram('apt-get', ['update', '--quiet=2']);
  // --reinstall names a package that the machine already has, too.
  const plan = runProgram('apt-get', ['install', '--simulate', '--reinstall', '--no-install-recommends', ...packages]);
  const names = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!);
  runProgram('sh', ['-c', 'cd "$1" && shift && exec apt-get download --quiet=2 "$@"', 'sh', archives, ...names]);
  for (const archive of readdirSync(archives)) runProgram('dpkg', ['-x', join(archives, archive), root]);
  writeFileSync(stamp, names.join('\n'));
  return true;
}
