// Finds the real programs that integration tests run: on the path, or where Debian installs
// programs for root. Installs Debian's packages if possible; otherwise says why a program is
// missing. It never fails the run.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { aptInstall } from './apt.ts';

/** Program → its Debian package. */
export const debianPackageOf = {
  prometheus: 'prometheus',
  promtool: 'prometheus',
  'nats-server': 'nats-server',
  chromium: 'chromium',
  nginx: 'nginx',
} as const;

export type ProgramName = keyof typeof debianPackageOf;

/** The program's path; undefined if there is none. */
export function findProgram(name: ProgramName): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

/**
 * Installs missing programs. Undefined when every program is installed afterwards; else the reason.
 */
export function setUpPrograms(): string | undefined {
  const names = Object.keys(debianPackageOf) as ProgramName[];
  const missing = names.filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return undefined;
  const packages = new Set(missing.map((name) => debianPackageOf[name]));
  const reason = aptInstall([...packages], 'the tests with real servers and a real browser');
  return reason ?? (missing.every(findProgram) ? undefined : 'installed, and still not on the path');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
