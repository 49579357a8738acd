// `npm run test:kubernetes -- [OPTIONS] [WORD…]`: builds a Kubernetes and our images once into a cache
// (METATRAIN_KUBERNETES_CACHE), starts a cluster of one node on this machine, runs the test files of
// this folder whose names hold one of the words, and takes everything down. Linux, root, Debian, Go.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../shared/wire.ts';
import { openCache } from './cluster/cache.ts';
import { Cluster } from './cluster/cluster.ts';
import { applyForeignDefinitions, definitionsFolder } from './cluster/foreign-definitions.ts';
import { lockFolder } from './cluster/lock.ts';
import { whatIsMissing } from './cluster/needs.ts';
import { buildPrograms, controlPlanePrograms, nodePrograms, toolPrograms } from './cluster/programs.ts';
import { traceOfClusters } from './cluster/trace.ts';
import { buildImages } from './images.ts';

/** No test file takes longer; one that does hangs, and fails. */
const fileTimeoutMs = 1_800_000;

/** Test files that do without pods: a control plane is enough for them. */
const withoutNode = new Set(['controller', 'crd', 'images', 'kwok', 'manifests']);

const here = dirname(fileURLToPath(import.meta.url));
const { values, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    // Another cluster beside the first one takes another value of each.
    name: { type: 'string', default: 'test' },
    port: { type: 'string', default: '26443' },
    network: { type: 'string', default: '96' },
    // Leaves the cluster running after the tests, for a look at it.
    keep: { type: 'boolean', default: false },
    // Pastes the outputs of the guide's commands into docs/kubernetes.md.
    figures: { type: 'boolean', default: false },
  },
});
const files = readdirSync(here)
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .sort();
if (files.length === 0) fail(`no test file matches ${words.join(' ')}`);
const missing = whatIsMissing();
if (missing.length > 0) fail(`this machine lacks:\n${missing.map((need) => `  - ${need}`).join('\n')}`);

const hasNode = files.some((name) => !withoutNode.has(name.replace('.test.js', '')));
const folder = join(tmpdir(), `metatrain-kubernetes-${values.name}`);
const unlock = lockFolder(folder);
if (unlock === undefined) fail(`another run uses ${folder}; --name, --port and --network choose another cluster`);

const log = (line: string) => console.log(`kubernetes: ${line}`);
const cache = openCache();
const cluster = new Cluster(cache, {
  name: values.name,
  folder,
  port: Number(values.port),
  network: Number(values.network),
  hasNode,
  isTied: !values.keep,
});
let runner: ChildProcess | undefined;
let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    isInterrupted = true;
    if (runner?.pid !== undefined) process.kill(-runner.pid, 'SIGTERM');
  });
}

const startedAt = performance.now();
let before = traceOfClusters(values.name);
let status = 1;
try {
  await cluster.down();
  buildPrograms(cache, [...controlPlanePrograms, ...(hasNode ? nodePrograms : []), ...toolPrograms], log);
  const images = hasNode ? await archives() : [];
  // Taken after the builds: what they install for themselves is not the cluster's.
  before = traceOfClusters(values.name);
  if (!isInterrupted) await cluster.up(log);
  if (!isInterrupted) applyForeignDefinitions(cache, cluster.kubeconfig, log);
  if (!isInterrupted) for (const archive of images) cluster.importImage(archive);
  for (const name of files) {
    if (isInterrupted) break;
    const code = await runFile(name);
    if (name === files[0] || code !== 0) status = code;
    const ended = cluster.ended();
    if (ended.length > 0) throw new Error(`after ${name} the cluster has lost ${ended.join(', ')}`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  status = 1;
} finally {
  if (values.keep) log(`kept: export KUBECONFIG=${cluster.kubeconfig}`);
  else status = Math.max(status, await takeDown());
  unlock();
}
log(`${files.length} test files, ${Math.round((performance.now() - startedAt) / 1000)} s in all`);
process.exit(isInterrupted ? 130 : status);

/** Archives of our images: those in METATRAIN_KUBERNETES_IMAGES, else built here. */
async function archives(): Promise<string[]> {
  const given = process.env.METATRAIN_KUBERNETES_IMAGES;
  if (given === undefined) {
    const built = await buildImages({ cache: cache.root, root: packageRoot, log });
    return built.map(({ archive }) => archive);
  }
  return readdirSync(given)
    .filter((name) => name.endsWith('.tar'))
    .map((name) => join(given, name));
}

/** The file's exit code. A group of its own, so that Ctrl-C ends it through this process, in order. */
async function runFile(name: string): Promise<number> {
  const args = [
    '--test',
    `--test-timeout=${fileTimeoutMs}`,
    '--test-force-exit',
    '--test-reporter=spec',
    join(here, name),
  ];
  runner = spawn(process.execPath, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    env: {
      ...process.env,
      KUBECONFIG: cluster.kubeconfig,
      METATRAIN_KUBERNETES_BIN: cache.bin,
      METATRAIN_KUBERNETES_CACHE: cache.root,
      METATRAIN_KUBERNETES_CLUSTER: folder,
      METATRAIN_KUBERNETES_CRDS: definitionsFolder(),
      METATRAIN_KUBERNETES_AUDIT_LOG: cluster.auditLog,
      ...(values.figures && { METATRAIN_WRITE_FIGURES: '1' }),
    },
  });
  log(`${basename(name, '.test.js')} …`);
  const [code] = (await once(runner, 'close')) as [number | null];
  runner = undefined;
  return code ?? 1;
}

/** 1 when anything is left of the cluster. */
async function takeDown(): Promise<number> {
  const downAt = performance.now();
  await cluster.down();
  const left = [...cluster.left(), ...[...traceOfClusters(values.name)].filter((line) => !before.has(line))];
  rmSync(folder, { recursive: true, force: true });
  log(`cluster down in ${Math.round((performance.now() - downAt) / 1000)} s, ${left.length} traces left`);
  for (const line of left) console.error(`  left: ${line}`);
  return left.length === 0 ? 0 : 1;
}

function fail(message: string): never {
  console.error(`test:kubernetes: ${message}`);
  process.exit(1);
}
