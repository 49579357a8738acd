// What tests need beyond Node. A test with a missing need is skipped with the reason, and the end
// of the run repeats the reasons.
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { packageRoot } from '../../shared/wire.ts';
import { debianPackageOf, findProgram, type ProgramName } from './setup-programs.ts';

/**
 * False when `isMet`; otherwise the reason, noted for the end of the run. For `test(name, { skip:
 * leftOutUnless(…) }, …)`.
 */
export function leftOutUnless(isMet: boolean, what: string, reason: string): false | string {
  if (isMet) return false;
  const file = process.env.METATRAIN_TEST_LEFT_OUT;
  if (file) appendFileSync(file, `${what}: ${reason}\n`);
  return reason;
}

/** The folder of the real data sets: METATRAIN_DATA_DIR, else shared/data beside the project. */
export const dataDirectory: string = process.env.METATRAIN_DATA_DIR ?? resolve(packageRoot, '..', 'shared', 'data');

export const omniglotDirectory: string = join(dataDirectory, 'omniglot');

/** Skips unless Omniglot's small background sets are available. */
export const withoutOmniglot = (what: string): false | string =>
  leftOutUnless(existsSync(omniglotDirectory), what, `no Omniglot in ${dataDirectory} (set METATRAIN_DATA_DIR)`);

/**
 * Python in the foreign client's virtual environment, which test/run.ts makes before the tests;
 * undefined if it could not.
 */
export const foreignPython: string | undefined = process.env.METATRAIN_TEST_PYTHON;

/** Skips unless there is a Python with grpcio. */
export const withoutForeignPython = (what: string): false | string =>
  leftOutUnless(
    foreignPython !== undefined,
    what,
    process.env.METATRAIN_TEST_NO_PYTHON ?? 'no Python environment: npm test makes one',
  );

/**
 * Description of the software Vulkan driver, which test/run.ts looks for before the tests;
 * undefined if there is none.
 */
export const softwareVulkan: string | undefined = process.env.METATRAIN_TEST_VULKAN;

/** Skips unless the software Vulkan driver is available. */
export const withoutSoftwareVulkan = (what: string): false | string =>
  leftOutUnless(
    softwareVulkan !== undefined,
    what,
    process.env.METATRAIN_TEST_NO_VULKAN ?? 'no software Vulkan: npm test looks for it',
  );

/**
 * Skips unless this machine has all of the programs. test/run.ts installs missing ones before the
 * integration tests if it can.
 */
export function withoutPrograms(names: readonly ProgramName[], what: string): false | string {
  const missing = names.filter((name) => findProgram(name) === undefined);
  const packages = [...new Set(missing.map((name) => debianPackageOf[name]))].join(' ');
  const why = process.env.METATRAIN_TEST_NO_PROGRAMS ?? 'npm test installs them where it can';
  return leftOutUnless(missing.length === 0, what, `no ${missing.join(', ')} (Debian: ${packages}): ${why}`);
}

/** Path of a program, for a test that is skipped without it. */
export function pathOf(name: ProgramName): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is not on this machine; the test must skip withoutPrograms`);
  return path;
}

/**
 * util-linux's `script` runs a command on a terminal. macOS has a different program of this name.
 */
const hasScript = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false;

/** Skips unless commands can run on a pseudo-terminal. */
export const withoutPseudoTerminal = (what: string): false | string =>
  leftOutUnless(hasScript, what, 'no `script` of util-linux to make a pseudo-terminal with');
