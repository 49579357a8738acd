// The images of deploy/docker/Dockerfile: what is in them, and that they work without root, without
// capabilities and with a read-only root file system.
import assert from 'node:assert/strict';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { packageRoot } from '../../shared/wire.ts';
import { billedPackages, engines, installedPackages } from '../support/sbom.ts';
import { openCache } from './cluster/cache.ts';
import { runProgram } from './cluster/processes.ts';
import { type Runtime, unpackRuntime } from './cluster/runtime.ts';
import { buildImages, imageName, type Target, targets } from './images.ts';
import { Container } from './support/container.ts';
import { type UnpackedImage, unpackImage } from './support/image-archive.ts';

const log = (line: string) => console.log(line);
const places = mkdtempSync(join(tmpdir(), 'metatrain-images-'));
const images = new Map<Target, UnpackedImage>();
let runtime: Runtime;
before(async () => {
  const cache = openCache();
  runtime = unpackRuntime(cache, log);
  const built = await buildImages({ cache: cache.root, root: packageRoot, log });
  for (const target of targets) {
    const place = join(places, target);
    mkdirSync(place);
    const { archive } = built.find(({ name }) => name === imageName(target))!;
    images.set(target, unpackImage(archive, place));
  }
});
after(() => rmSync(places, { recursive: true, force: true }));

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
/** What a file system says in front of the folder, in kB. */
const diskUsage = (folder: string) =>
  Number(runProgram('du', ['--summarize', '--block-size=1000', folder]).split('\t')[0]) * 1_000;

/** Compressed bytes of our own layer; what is below it is Debian and Node. */
const appLimits: Readonly<Record<Target, number>> = { coordinator: 20e6, controller: 10e6, worker: 40e6 };

for (const target of targets) {
  test(`${target}: our layer is small, and the list of packages is what is in it`, (t) => {
    const { root, layerBytes } = images.get(target)!;
    const app = layerBytes.at(-1)!;
    const whole = layerBytes.reduce((sum, bytes) => sum + bytes, 0);
    t.diagnostic(
      `${target}: ${megabytes(whole)} compressed, of it ${megabytes(app)} ours; ${megabytes(diskUsage(root))} on disk, of it ${megabytes(diskUsage(join(root, 'app')))} ours`,
    );
    assert.ok(app < appLimits[target], `${megabytes(app)}`);
    const installed = installedPackages(join(root, 'app'));
    assert.deepEqual(billedPackages(readFileSync(join(root, 'app', 'sbom.cdx.json'), 'utf8')), installed);
    const found = installed.filter((name) => engines.test(name));
    if (target === 'worker') assert.ok(found.some((name) => name.startsWith('onnxruntime-node@')));
    else assert.deepEqual(found, [], 'no machine-learning engine');
  });

  test(`${target}: it runs as user 1000, is labelled, and holds neither npm nor a file that it may change`, () => {
    const { root, config } = images.get(target)!;
    assert.equal(config.User, '1000:1000');
    const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
    const label = (name: string) => config.Labels[`org.opencontainers.image.${name}`];
    assert.equal(label('version'), version);
    assert.match(label('revision')!, /^([0-9a-f]{40}|unknown)$/);
    assert.equal(label('licenses'), 'Apache-2.0');
    for (const name of ['title', 'description', 'source']) assert.ok(label(name), name);
    assert.ok(!existsSync(join(root, 'usr', 'local', 'lib', 'node_modules')), 'no npm');
    assert.equal(
      runProgram('find', [join(root, 'app'), '(', '-user', '1000', '-o', '-perm', '/022', ')', '!', '-type', 'l']),
      '',
    );
    const setUid = runProgram('find', [join(root, 'app'), join(root, 'usr', 'local'), '-perm', '/6000']);
    assert.equal(setUid, '');
  });
}

test('the processes have no capability, another user than root, and nowhere to write but /tmp and their volumes', async (t) => {
  const script = `
    const { readFileSync, writeFileSync } = require('node:fs');
    const status = readFileSync('/proc/self/status', 'utf8');
    const writable = ['/', '/app', '/etc', '/usr', '/state', '/data', '/tmp'].filter((folder) => {
      try { writeFileSync(folder + '/probe', ''); return true; } catch { return false; }
    });
    console.log(JSON.stringify({ uid: process.getuid(), capabilities: /CapEff:\\s*(\\w+)/.exec(status)[1], writable }));`;
  for (const target of targets) {
    const folder = join(places, `probe-${target}`);
    const options = { image: images.get(target)!, entrypoint: ['node', '-e'], args: [script] };
    const container = new Container(t, runtime, folder, options);
    assert.deepEqual(await container.ready(), { uid: 1000, capabilities: '0000000000000000', writable: ['/tmp'] });
  }
});

test('a coordinator and a worker in containers train a job to the same bytes as anywhere', async (t) => {
  const state = join(places, 'state');
  mkdirSync(state);
  chownSync(state, 1000, 1000);
  const start = (name: string, target: Target, args: readonly string[], entrypoint?: readonly string[]) =>
    new Container(t, runtime, join(places, name), {
      image: images.get(target)!,
      args,
      ...(entrypoint ? { entrypoint } : {}),
      ...(name === 'coordinator' ? { volumes: { '/state': state } } : {}),
    });
  const addresses = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const coordinator = start('coordinator', 'coordinator', [
    'coordinator',
    '--insecure',
    '--state-dir',
    '/state',
    ...addresses,
  ]);
  const { address, http } = await coordinator.ready<{ readonly address: string; readonly http: string }>();
  assert.equal((await fetch(`http://${http}/healthz`)).status, 200);
  assert.equal((await fetch(`http://${http}/`)).status, 200, 'the console');
  const worker = start('worker', 'worker', ['worker', '--insecure', '--coordinator', address, '--slots', '1']);
  await worker.ready();
  const fields = ['meta.iterations=300', 'evaluation.tasks=20', 'evaluation.every=0'];
  const job = ['submit', 'examples/sinusoid.yaml', '--watch', '--json', '--coordinator', address];
  // As `kubectl exec` would.
  const client = start(
    'client',
    'coordinator',
    [...job, ...fields.flatMap((field) => ['--set', field])],
    ['metatrain'],
  );
  assert.deepEqual(await client.exited, { code: 0, signal: null }, client.stderr);
  assert.match(client.stdout, /577c0ff3f9228114/);
  for (const container of [worker, coordinator]) {
    const askedAt = performance.now();
    assert.deepEqual(await container.stop(), { code: 0, signal: null }, container.stderr);
    t.diagnostic(`ended ${Math.round(performance.now() - askedAt)} ms after SIGTERM`);
  }
});

test('the set-up of compose.yaml makes certificates and tokens in the image of the coordinator', async (t) => {
  const secrets = join(places, 'secrets');
  for (const name of ['', 'authority', 'coordinator', 'worker', 'client', 'prometheus']) {
    mkdirSync(join(secrets, name));
    chownSync(join(secrets, name), 1000, 1000);
  }
  const setUp = new Container(t, runtime, join(places, 'set-up'), {
    image: images.get('coordinator')!,
    entrypoint: ['sh'],
    args: ['/tmp/set-up.sh'],
    volumes: { '/secrets': secrets, '/tmp/set-up.sh': join(packageRoot, 'deploy', 'docker', 'set-up.sh') },
  });
  assert.deepEqual(await setUp.exited, { code: 0, signal: null }, setUp.stderr);
  for (const file of ['coordinator/coordinator.pem', 'coordinator/tokens.jsonl', 'worker/token', 'client/ca.pem']) {
    assert.ok(existsSync(join(secrets, file)), file);
  }
});

test('the controller starts in its container, and says what it lacks outside of a cluster', async (t) => {
  const controller = new Container(t, runtime, join(places, 'controller-run'), {
    image: images.get('controller')!,
    args: [],
  });
  const { code } = await controller.exited;
  assert.equal(code, 1, controller.stderr);
  assert.match(controller.stderr, /cluster|kubeconfig/i);
});
