// What npm would pack, from our own package and from the client's: nothing that only we need, and
// everything that their programs need. Installing them for real is `npm run test:package`.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../../../shared/wire.ts';
import { importsOf, resolveImport } from './boundaries.ts';

interface Manifest {
  readonly main: string;
  readonly types: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly typesVersions?: object;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly bundleDependencies?: readonly string[];
}

interface Package {
  readonly manifest: Manifest;
  readonly files: readonly string[];
}

const packages: readonly (readonly [name: string, content: Package])[] = [
  ['metatrain', wholePackage()],
  ['metatrain-client', clientPackage()],
];
const [[, whole], [, client]] = packages as unknown as [[string, Package], [string, Package]];

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
    .sort();
}

/**
 * npm's own list. From a copy without the bundled engine, which takes a minute to compress and is not
 * ours to check.
 */
function wholePackage(): Package {
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as Manifest;
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-package-'));
  try {
    for (const name of readdirSync(packageRoot)) {
      if (/^(\.git|node_modules|package-lock\.json)$/.test(name)) continue;
      cpSync(join(packageRoot, name), join(directory, name), { recursive: true });
    }
    writeFileSync(join(directory, 'package.json'), JSON.stringify({ ...manifest, bundleDependencies: [] }));
    const list = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: directory,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      shell: process.platform === 'win32',
    });
    const packed = (JSON.parse(list) as readonly { readonly files: readonly { readonly path: string }[] }[])[0]!;
    return { manifest, files: packed.files.map(({ path }) => path) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function clientPackage(): Package {
  const list = execFileSync(process.execPath, ['scripts/pack-client.mjs', '--list'], { cwd: packageRoot });
  return JSON.parse(list.toString()) as Package;
}

function isInstalledWith({ manifest }: Package, specifier: string): boolean {
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  return name in manifest.dependencies || name in (manifest.optionalDependencies ?? {});
}

const isOfNode = (specifier: string) => specifier.startsWith('node:') || builtinModules.includes(specifier);

for (const [name, content] of packages) {
  test(`${name} holds no sources, tests, benchmarks, CI files or traces of a build`, () => {
    const unwanted =
      /(^|\/)(test|bench|\.ci|\.github|scripts|node_modules)\/|\.map$|tsbuildinfo|^(?!examples\/).*(?<!\.d)\.ts$|tsconfig|biome|docker/i;
    assert.deepEqual(
      content.files.filter((file) => unwanted.test(file)),
      [],
    );
  });

  test(`${name} holds what its manifest names`, () => {
    const { main, types, bin } = content.manifest;
    for (const file of [main, types, ...Object.values(bin)]) {
      assert.ok(content.files.includes(file.replace(/^\.\//, '')), file);
    }
  });

  test(`every module that a module of ${name} imports is in it, or in a package that is installed with it`, () => {
    const packed = new Set(content.files);
    const modules = content.files.filter(
      (file) => /^dist\/(?!console\/).*\.js$/.test(file) && !/-bundle\.js$/.test(file),
    );
    assert.ok(modules.length > 50, `only ${modules.length} modules were found`);
    for (const path of modules) {
      for (const { specifier } of importsOf(readFileSync(join(packageRoot, path), 'utf8'))) {
        const target = resolveImport(path, specifier);
        const isThere =
          target === undefined ? isOfNode(specifier) || isInstalledWith(content, specifier) : packed.has(target);
        assert.ok(isThere, `${path} imports ${specifier}`);
      }
    }
  });

  test(`the types that ${name} exports need no file and no package that is not installed with it`, () => {
    const packed = new Set(content.files);
    const pending = Object.values(content.manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? [] : [entry.types.replace(/^\.\//, '')],
    );
    const seen = new Set<string>();
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      assert.ok(packed.has(path), `${path} is missing`);
      for (const { specifier } of importsOf(readFileSync(join(packageRoot, path), 'utf8'))) {
        const target = resolveImport(path, specifier);
        if (target !== undefined) pending.push(target.replace(/\.[jt]s$/, '.d.ts'));
        else assert.ok(isOfNode(specifier) || isInstalledWith(content, specifier), `${path} imports ${specifier}`);
      }
    }
    assert.ok(seen.size > 10, `only ${seen.size} declarations were read`);
  });

  test(`${name} names its types twice: in "exports", and in "types" for moduleResolution node10, which reads no "exports"`, () => {
    const { main, types, exports } = content.manifest;
    assert.deepEqual(exports['.'], { types, default: main });
  });
}

test('files that are read as they are, and not built, are in the package', () => {
  const folders = [
    'console',
    'shared/web',
    'client/report',
    'proto',
    'examples',
    'deploy/grafana/dashboards',
    'deploy/prometheus/rules',
  ];
  const files = folders
    .flatMap((folder) => filesIn(join(packageRoot, folder)).map((file) => `${folder}/${file}`))
    .filter((file) => !/\.ts$|tsconfig/.test(file));
  assert.ok(files.length > 15, `only ${files.length} were found`);
  assert.deepEqual(
    files.filter((path) => !whole.files.includes(path)),
    [],
  );
});

test('the client brings no coordinator, no worker and no engine', () => {
  assert.deepEqual(
    client.files.filter((file) => /^dist\/(coordinator|worker|replay|console)\//.test(file)),
    [],
  );
  assert.deepEqual(
    Object.keys(client.manifest.dependencies).filter((name) =>
      /onnx|tensorflow|lmdb|nats|prom-client|opentelemetry/.test(name),
    ),
    [],
  );
});

test('plugins import metatrain/learning from the whole package; the client has its module, for the job files that it checks', () => {
  const { exports, typesVersions } = whole.manifest;
  const types = './dist/learning/index.d.ts';
  assert.deepEqual(exports['./learning'], { types, default: './dist/learning/index.js' });
  assert.deepEqual(
    typesVersions,
    { '*': { learning: [types] } },
    'for moduleResolution node10, which reads no "exports"',
  );
  assert.equal(client.manifest.exports['./learning'], undefined, 'its types need TensorFlow.js');
  assert.ok(client.files.includes('dist/learning/index.js'));
});

test('a command that needs more than the client says which package has it', () => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-client-'));
  try {
    for (const file of client.files) cpSync(join(packageRoot, file), join(directory, file));
    writeFileSync(join(directory, 'package.json'), JSON.stringify(client.manifest));
    symlinkSync(join(packageRoot, 'node_modules'), join(directory, 'node_modules'), 'junction');
    for (const [program, ...args] of [
      ['coordinator', 'up'],
      ['worker', 'worker'],
      ['replay', 'replay', 'ID', '1', '0'],
    ]) {
      const command = [client.manifest.bin.metatrain!, ...args];
      const { status, stderr } = spawnSync(process.execPath, command, { cwd: directory, encoding: 'utf8' });
      assert.equal(status, 1, stderr);
      assert.equal(
        stderr.trim(),
        `error: this command needs the ${program}, which is not installed here: metatrain-client and the images of other parts leave it out; install the package metatrain`,
      );
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('what decides the bits of a result has one version, because our package-lock.json does not travel', () => {
  for (const name of ['@tensorflow/tfjs', 'onnxruntime-node']) {
    assert.match(whole.manifest.dependencies[name] ?? 'missing', /^\d+\.\d+\.\d+$/, name);
  }
});

test('the bundled onnxruntime-node has no install script, which needs another host than the registry', () => {
  assert.deepEqual(whole.manifest.bundleDependencies, ['onnxruntime-node']);
  const { manifest } = prepared({
    name: 'onnxruntime-node',
    scripts: { postinstall: 'node ./script/install', test: 'mocha' },
    dependencies: { 'onnxruntime-common': '1' },
  });
  assert.deepEqual(manifest, {
    name: 'onnxruntime-node',
    scripts: { test: 'mocha' },
    dependencies: { 'onnxruntime-common': '1' },
  });
});

test('an installation without devDependencies (npm ci --omit=dev) builds nothing, says so, and does not fail', () => {
  const { status, stderr } = prepared({ name: 'onnxruntime-node' });
  assert.equal(status, 0);
  assert.match(
    stderr,
    /^prepare: not built, because typescript and esbuild \(devDependencies\) are not installed; there is no dist\/ yet/,
  );
});

test('a built module whose source is gone does not get into the package', () => {
  const { files } = prepared(
    { name: 'onnxruntime-node' },
    {
      'package.json': '{"scripts":{"build":"node --version"}}',
      'node_modules/typescript/package.json': '{}',
      'node_modules/esbuild/package.json': '{}',
      'shared/kept.ts': '',
      'dist/shared/kept.js': '',
      'dist/shared/kept.d.ts': '',
      'dist/shared/gone.js': '',
      'dist/shared/gone.js.map': '',
      'dist/shared/gone.d.ts': '',
      'dist/client/report/report-bundle.js': '',
    },
  );
  assert.deepEqual(files, ['client/report/report-bundle.js', 'shared/kept.d.ts', 'shared/kept.js']);
});

/**
 * npm's `prepare` where nothing is installed but an onnxruntime-node with this manifest, and these
 * files are there.
 */
function prepared(manifest: object, content: Readonly<Record<string, string>> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-prepare-'));
  try {
    const folder = join(directory, 'node_modules', 'onnxruntime-node');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    for (const [file, text] of Object.entries(content)) {
      mkdirSync(join(directory, file, '..'), { recursive: true });
      writeFileSync(join(directory, file), text);
    }
    const script = join(packageRoot, 'scripts', 'prepare.mjs');
    const { status, stderr } = spawnSync(process.execPath, [script], { cwd: directory, encoding: 'utf8' });
    return {
      status,
      stderr,
      manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as unknown,
      files: filesIn(join(directory, 'dist')),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
