// The Python package: its descriptors are those of proto/, a wheel is built of it, and from the
// wheel it trains, watches, reads and adapts on a real cluster.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { packageRoot } from '../../../shared/wire.ts';
import { foreignPython, withoutForeignPython } from '../../support/needs.ts';
import { startCluster } from './cluster.ts';

const source = join(packageRoot, 'clients', 'python');
const folder = join(packageRoot, 'test', 'integration', 'foreign');

interface Refusal {
  readonly code: string;
  readonly message: string;
}

interface Seen {
  readonly state: string;
  readonly steps: number;
  readonly kinds: readonly string[];
  readonly loss: readonly [mean: number, halfWidth95: number];
  readonly paramsSha256: string;
  readonly thetaSha256: string;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly stateShapes: Readonly<Record<string, readonly number[]>>;
  readonly isKept: boolean;
  readonly prediction: number;
  readonly byReflection: number;
  readonly html: string;
  readonly dropped: Refusal;
  readonly badSpec: Refusal;
  readonly unknown: Refusal;
  readonly badTargets: Refusal;
  readonly listed: boolean;
  readonly workers: number;
}

test('the descriptors of the Python package are those of proto/', () => {
  execFileSync(process.execPath, [join(packageRoot, 'scripts', 'python-protos.mjs'), '--check'], { stdio: 'pipe' });
});

test('a wheel of the Python package trains the linear example and maps 4 to 8; reflection does, too', {
  skip: withoutForeignPython('the Python package'),
}, async (t) => {
  const scratch = mkdtempSync(join(tmpdir(), 'metatrain-wheel-'));
  t.after(() => rmSync(scratch, { recursive: true }));
  // A build writes beside its sources.
  cpSync(source, join(scratch, 'source'), { recursive: true });
  const pip = (...args: string[]) =>
    execFileSync(foreignPython!, ['-m', 'pip', '--disable-pip-version-check', '--quiet', ...args], { stdio: 'pipe' });
  pip('wheel', '--no-deps', '--no-build-isolation', '--wheel-dir', join(scratch, 'wheel'), join(scratch, 'source'));
  const [wheel] = readdirSync(join(scratch, 'wheel'));
  assert.match(wheel!, /^metatrain-0\.1\.0-py3-none-any\.whl$/);
  pip('install', '--no-deps', '--target', join(scratch, 'site'), join(scratch, 'wheel', wheel!));
  const spec = join(packageRoot, 'examples', 'linear.yaml');
  const address = await startCluster(t);
  const { stdout, stderr } = await promisify(execFile)(foreignPython!, [join(folder, 'package.py'), address, spec], {
    timeout: 240_000,
    env: { ...process.env, PYTHONPATH: [join(scratch, 'site'), folder].join(delimiter) },
  });
  const seen = JSON.parse(stdout) as Seen;
  assert.deepEqual([seen.state, seen.steps, seen.listed, seen.workers], ['SUCCEEDED', 3000, true, 1]);
  assert.deepEqual(seen.kinds, ['checkpoint_written', 'evaluated', 'meta_step', 'state_changed']);
  assert.ok(seen.loss[0] > 0 && seen.loss[1] > 0);
  assert.equal(seen.thetaSha256, seen.paramsSha256);
  assert.deepEqual(seen.shapes['layer1.weights'], [1, 1]);
  assert.deepEqual(seen.stateShapes['layer1.weights'], [1, 1]);
  assert.ok(seen.isKept);
  assert.ok(Math.abs(seen.prediction - 8) < 0.05, String(seen.prediction));
  assert.equal(seen.byReflection, seen.prediction);
  assert.match(
    seen.html,
    /<b>linear<\/b> [0-9a-f]{16} succeeded, 3,000 of 3,000 meta-steps.*<td>loss<\/td><td>10<\/td>/s,
  );
  assert.match(stderr, /linear \|█{30}\| 3,000\/3,000/);
  assert.equal(seen.dropped.code, 'ADAPTED_UNKNOWN');
  assert.deepEqual([seen.badSpec.code, seen.unknown.code], ['REQUEST_INVALID', 'JOB_UNKNOWN']);
  assert.match(seen.badTargets.message, /support\.targets: got 2 numbers; accepted: 3, 1 for each of 3 inputs/);
});
