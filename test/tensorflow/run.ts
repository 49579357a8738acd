// `npm run test:tensorflow`: builds TensorFlow for Node (once, kept under node_modules/.cache), then runs gradients.test.ts on it, on the running
// Node and on Node 24. Not part of `npm test`: it downloads 300 MB and compiles C++. What is missing is named, and the exit code is 1.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../shared/wire.ts';
import { nativeVariables } from '../../worker/config.ts';
import { cacheDirectory, nodeFromRegistry } from '../support/from-registry.ts';

const script = join(packageRoot, 'deploy', 'tensorflow', 'build.sh');
const newerNode = 24;

/** Longest that the build, or all tests on one Node, may take. */
const stepTimeoutMs = 1_800_000;

const directory = builtTensorflow();
const nodes = [process.execPath];
if (Number(process.versions.node.split('.')[0]) < newerNode) nodes.push(nodeFromRegistry(newerNode));

let failures = 0;
for (const node of nodes) {
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`\nTensorFlow on Node ${version}`);
  const tests = fileURLToPath(new URL('gradients.test.js', import.meta.url));
  const reporter = `--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`;
  const { status } = spawnSync(node, ['--test', reporter, tests], {
    stdio: 'inherit',
    timeout: stepTimeoutMs,
    env: {
      ...process.env,
      ...nativeVariables({ engine: 'eager', device: 'cpu' }, process.env),
      METATRAIN_TFJS_NODE: directory,
    },
  });
  if (status !== 0) failures += 1;
}
process.exit(failures === 0 ? 0 : 1);

/** Made by build.sh as it is now, or by an earlier run of the very same. */
function builtTensorflow(): string {
  const hash = createHash('sha256').update(readFileSync(script)).digest('hex').slice(0, 16);
  const built = join(cacheDirectory, `tensorflow-${hash}`);
  if (existsSync(built)) return built;
  step('bash', [script, built]);
  // Each takes 0.8 GB.
  for (const name of readdirSync(cacheDirectory)) {
    if (/^tensorflow-[0-9a-f]+$/.test(name) && name !== basename(built)) {
      rmSync(join(cacheDirectory, name), { recursive: true, force: true });
    }
  }
  return built;
}

function step(program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', timeout: stepTimeoutMs });
  if (status !== 0) fail(`${[program, ...args].join(' ')}: ${error?.message ?? `exit code ${status}`}`);
}

function fail(message: string): never {
  console.error(`test:tensorflow: ${message}`);
  process.exit(1);
}
