// What a test needs beyond Node. A test whose need is not met is skipped with the reason, and the reason is repeated at the end of the run.
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { packageRoot } from '../../shared/wire.ts';
import { debianPackageOf, findProgram, type ProgramName } from './setup-programs.ts';

/** False when `isMet`; otherwise the reason, noted for the end of the run. For `test(name, { skip: leftOutUnless(…) }, …)`. */
export function leftOutUnless(isMet: boolean, what: string, reason: string): false | string {
  if (isMet) return false;
  const file = process.env.METATRAIN_TEST_LEFT_OUT;
  if (file) appendFileSync(file, `${what}: ${reason}\n`);
  return reason;
}

/** Where the real data sets are: METATRAIN_DATA_DIR, else shared/data beside the project. */
export const dataDirectory: string = process.env.METATRAIN_DATA_DIR ?? resolve(packageRoot, '..', 'shared', 'data');

export const omniglotDirectory: string = join(dataDirectory, 'omniglot');

/** Skips unless Omniglot's small background sets are at hand. */
export const withoutOmniglot = (what: string): false | string =>
  leftOutUnless(existsSync(omniglotDirectory), what, `no Omniglot in ${dataDirectory} (set METATRAIN_DATA_DIR)`);

/** The interpreter of the foreign client's virtual environment, which test/run.ts makes before the tests; undefined where there is none. */
export const foreignPython: string | undefined = process.env.METATRAIN_TEST_PYTHON;

/** Skips unless there is a Python with grpcio. */
export const withoutForeignPython = (what: string): false | string =>
  leftOutUnless(
    foreignPython !== undefined,
    what,
    process.env.METATRAIN_TEST_NO_PYTHON ?? 'no Python environment: npm test makes one',
  );

/** Description of the software Vulkan driver, which test/run.ts looks for before the tests; undefined where there is none. */
export const softwareVulkan: string | undefined = process.env.METATRAIN_TEST_VULKAN;

/** Skips unless WebGPU can be had in software. */
export const withoutSoftwareVulkan = (what: string): false | string =>
  leftOutUnless(
    softwareVulkan !== undefined,
    what,
    process.env.METATRAIN_TEST_NO_VULKAN ?? 'no software Vulkan: npm test looks for it',
  );

/** Skips unless every one of the programs is on this machine; test/run.ts installs what it can before the integration tests. */
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

/** util-linux's `script`, which runs a command on a terminal of its own; macOS has another of that name. */
const hasScript = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false;

/** Skips unless a command can be run on a pseudo-terminal. */
export const withoutPseudoTerminal = (what: string): false | string =>
  leftOutUnless(hasScript, what, 'no `script` of util-linux to make a pseudo-terminal with');
