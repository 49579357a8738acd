// deploy/docker/Dockerfile without a builder: what it copies and names exists, it downloads nothing
// but packages, and the folders /app that it makes run away from this checkout. The images
// themselves are built and run by test/kubernetes/images.test.ts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { parse } from 'yaml';
import { mergeValues } from '../../../deploy/kubernetes/source/nodes.ts';
import { plainObjects } from '../../../deploy/kubernetes/source/objects.ts';
import { overlays } from '../../../deploy/kubernetes/source/overlay-values.ts';
import { defaults } from '../../../deploy/kubernetes/source/values.ts';
import { packageRoot } from '../../../shared/wire.ts';
import { copiedFromProject, filesBelow, readDockerfile, stagesOf } from '../../support/dockerfile.ts';
import { workloadsOf } from '../../support/kubernetes-policy.ts';
import { TestProcess } from '../../support/processes.ts';
import { billedPackages, engines, installedPackages } from '../../support/sbom.ts';

const dockerfile = readDockerfile(packageRoot);
const targets = ['coordinator', 'controller', 'worker', 'worker-gpu'];
const stageNamed = (name: string) => dockerfile.stages.find((stage) => stage.name === name)!;
const textOf = (target: string, instruction: string) =>
  stageNamed(target)
    .instructions.filter(({ name }) => name === instruction)
    .map(({ text }) => text);
const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { readonly version: string };

test('every path that the Dockerfile copies exists, and none is a secret or ignored', () => {
  const ignored = readFileSync(join(packageRoot, '.dockerignore'), 'utf8').split('\n');
  for (const stage of dockerfile.stages) {
    for (const path of copiedFromProject(stage)) {
      assert.ok(existsSync(join(packageRoot, path)), `${stage.name} copies ${path}`);
      assert.ok(!ignored.includes(path) && path !== '.', `${stage.name} copies ${path}`);
    }
  }
});

test('each stage stands on a stage above it or on an image with a version', () => {
  const above = new Set<string>();
  for (const { name, from, instructions } of dockerfile.stages) {
    assert.ok(above.has(from) || /^[a-z/]+:[a-z0-9.]*[0-9a-z.]+(-[a-z0-9.]+)*$/.test(from), `${name} is from ${from}`);
    for (const { text } of instructions) {
      const [, source] = /^--from=(\S+)/.exec(text) ?? [];
      if (source !== undefined) assert.ok(above.has(source), `${name} copies from ${source}`);
    }
    above.add(name);
  }
  assert.match(dockerfile.args.NODE_IMAGE!, /^node:\d+\.\d+\.\d+-bookworm-slim$/);
});

test('no install script runs and nothing but packages is downloaded, except for the GPU', () => {
  for (const target of targets) {
    const commands = stagesOf(dockerfile, target)
      .filter(({ name }) => name !== 'cuda-provider' && !name.startsWith('tensorflow'))
      .flatMap(({ instructions }) => instructions);
    for (const { name, text } of commands) {
      assert.doesNotMatch(text, /\b(curl|wget|git clone|pip|apt-get)\b|install\.js/, `${target}: ${text}`);
      if (name === 'ADD') assert.fail(`${target}: ADD ${text}`);
      if (/\bnpm (ci|install)\b/.test(text)) assert.match(text, /^npm ci --ignore-scripts$/);
    }
    if (target !== 'worker-gpu') assert.ok(!stagesOf(dockerfile, target).includes(stageNamed('cuda-provider')));
  }
});

test('each image runs a program that exists as user 1000, with labels of this version', () => {
  const known = ['client', 'coordinator', 'worker', 'shared', 'deploy/controller']
    .flatMap((folder) => filesBelow(packageRoot, folder))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(packageRoot, file), 'utf8'))
    .join('\n');
  for (const target of targets) {
    assert.deepEqual(textOf(target, 'USER'), ['1000:1000']);
    const [, program = ''] = JSON.parse(textOf(target, 'ENTRYPOINT')[0]!) as string[];
    const source = program.replace(/^\/app\/dist\//, '').replace(/\.js$/, '.ts');
    assert.ok(existsSync(join(packageRoot, source)), `${target} runs ${program}`);
    const variables = [...textOf('base', 'ENV'), ...textOf(target, 'ENV')].join(' ').matchAll(/(METATRAIN_\w+)=/g);
    for (const [, name] of variables) assert.match(known, new RegExp(`['.]${name}\\b`), `${target} sets ${name}`);
    assert.ok(textOf(target, 'ARG').includes(`VERSION=${manifest.version}`));
    const label = textOf(target, 'LABEL').join(' ');
    for (const name of ['title', 'description', 'version', 'revision', 'source', 'licenses']) {
      assert.match(label, new RegExp(`org\\.opencontainers\\.image\\.${name}="`), `${target} has the label ${name}`);
    }
  }
});

test('compose.yaml and every manifest run targets of the Dockerfile, on ports that it exposes', () => {
  const compose = parse(readFileSync(join(packageRoot, 'deploy', 'compose.yaml'), 'utf8'), { merge: true }) as {
    readonly services: Readonly<Record<string, { readonly build?: { readonly target: string } }>>;
  };
  for (const [name, { build }] of Object.entries(compose.services)) {
    if (build) assert.ok(targets.includes(build.target), `${name} is of ${build.target}`);
  }
  for (const [overlay, { values }] of [['base', { values: {} }] as const, ...Object.entries(overlays)]) {
    for (const { spec } of workloadsOf(plainObjects(mergeValues(defaults, values)))) {
      for (const { image, ports = [] } of spec.template.spec.containers) {
        const [, target] = /^(?:ghcr\.io\/metatrain\/|localhost\/metatrain-)([a-z-]+):/.exec(image) ?? [];
        if (target === undefined) continue;
        assert.ok(targets.includes(target), `${overlay} runs ${image}`);
        const exposed = textOf(target, 'EXPOSE').flatMap((text) => text.split(' ').map(Number));
        for (const { containerPort } of ports) assert.ok(exposed.includes(containerPort), `${image}: ${containerPort}`);
      }
    }
  }
});

const places = mkdtempSync(join(tmpdir(), 'metatrain-app-'));
after(() => rmSync(places, { recursive: true, force: true }));

/** The folder /app of an image, outside of this checkout; made once. */
function appOf(program: string): string {
  const app = join(places, program);
  if (existsSync(app)) return app;
  const script = join(packageRoot, 'scripts', 'make-app.mjs');
  execFileSync(process.execPath, [script, program, app], { cwd: packageRoot, stdio: ['ignore', 'ignore', 'inherit'] });
  return app;
}

for (const program of ['coordinator', 'controller', 'worker']) {
  test(`the list of packages of the image ${program} is what its folder holds`, () => {
    const app = appOf(program);
    const installed = installedPackages(app);
    assert.deepEqual(billedPackages(readFileSync(join(app, 'sbom.cdx.json'), 'utf8')), installed);
    const found = installed.filter((name) => engines.test(name));
    if (program === 'worker') assert.ok(found.length > 0);
    else assert.deepEqual(found, [], 'no machine-learning engine');
  });
}

test('the Dockerfile copies the source of every module in the images', () => {
  const copied = copiedFromProject(stageNamed('build'));
  for (const program of ['coordinator', 'controller', 'worker']) {
    const app = appOf(program);
    const modules = filesBelow(join(app, 'dist'), '.').filter((file) => !file.endsWith('-bundle.js'));
    assert.ok(modules.length > 40);
    for (const file of modules) {
      const isCopied = copied.some((path) => file.startsWith(`${path}/`));
      assert.ok(isCopied && existsSync(join(packageRoot, file.replace(/\.js$/, '.ts'))), `${program}: ${file}`);
    }
  }
});

test('coordinator, worker and plugins run from the folders of the images, away from this checkout', async (t) => {
  const [coordinatorApp, workerApp] = [appOf('coordinator'), appOf('worker')];
  const folder = mkdtempSync(join(tmpdir(), 'metatrain-app-state-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const example = join(packageRoot, 'examples', 'plugin');
  cpSync(example, folder, { recursive: true });
  const plugin = ['--plugin', join(folder, 'my-parts.js')];
  const main = (app: string) => join(app, 'dist', 'client', 'cli', 'main.js');
  const flags = ['--insecure', '--state-dir', join(folder, 'state'), '--listen', '127.0.0.1:0'];
  const coordinator = new TestProcess(t, main(coordinatorApp), ['coordinator', ...flags, ...plugin]);
  const { address } = await coordinator.ready<{ readonly address: string }>();
  const connection = ['--coordinator', address, '--insecure'];
  const worker = new TestProcess(t, main(workerApp), ['worker', ...connection, '--slots', '1', ...plugin]);
  await worker.ready();
  const short = ['--set', 'meta.iterations=20', '--set', 'evaluation.every=0', '--set', 'evaluation.tasks=4'];
  const job = join(coordinatorApp, 'examples', 'sinusoid.yaml');
  const submit = ['submit', job, ...short, '--watch', '--coordinator', address];
  const client = new TestProcess(t, main(coordinatorApp), submit);
  assert.deepEqual(await client.exited, { code: 0, signal: null }, client.stderr);
});
