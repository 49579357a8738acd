// Makes the virtual environment for the tests with a foreign gRPC client: Python's own tools,
// pinned requirements, kept under node_modules/.cache. If Python, its venv module or the packages
// are missing, it says why; it never fails the run.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../shared/wire.ts';

const requirements = join(packageRoot, 'test', 'integration', 'foreign', 'requirements.txt');

/** Longest that one step (making the environment, installing into it) may take. */
const stepTimeoutMs = 240_000;

export type PythonSetup = { readonly python: string } | { readonly reason: string };

/**
 * The environment's interpreter, made now or by an earlier run; or the reason why there is none.
 */
export function setUpPython(): PythonSetup {
  const version = spawnSync('python3', ['-c', 'import sys; print(sys.executable, sys.version)'], { encoding: 'utf8' });
  if (version.status !== 0) return { reason: 'no python3 on the path' };
  const name = createHash('sha256')
    .update(version.stdout)
    .update(readFileSync(requirements))
    .digest('hex')
    .slice(0, 16);
  const cache = join(packageRoot, 'node_modules', '.cache', 'metatrain');
  const directory = join(cache, `python-${name}`);
  const python = join(directory, 'bin', 'python');
  if (existsSync(python)) return { python };

  // Made under another name and renamed, so that an interrupted or concurrent run never leaves half
  // an environment. Only its `bin/python` is used, which finds its packages at any place.
  const aside = `${directory}.${process.pid}`;
  mkdirSync(cache, { recursive: true });
  console.log('Making a virtual environment for the tests with a Python client …');
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--retries=1', '--timeout=30'];
  try {
    for (const [program, step] of [
      ['python3', ['-m', 'venv', aside]],
      [join(aside, 'bin', 'python'), [...install, '--only-binary=:all:', '--requirement', requirements]],
    ] as const) {
      const { status, stderr, error } = spawnSync(program, step, { encoding: 'utf8', timeout: stepTimeoutMs });
      if (status !== 0) {
        const line = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
        return { reason: `python3 ${step.slice(0, 3).join(' ').replace(aside, '')}: ${line.slice(0, 200)}` };
      }
    }
    if (!existsSync(directory)) renameSync(aside, directory);
    return { python };
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}
