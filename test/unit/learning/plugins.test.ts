// Plugins: what is accepted as one, what every refusal says, and whose failure it is when one throws.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';
import { readJob } from '../../../learning/job-file.ts';
import { identitiesOf, loadRegistry, loadSameRegistry } from '../../../learning/load.ts';
import { builtIn } from '../../../learning/registry.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import { yamlText } from '../../../shared/job-spec/yaml.ts';
import { pluginFiles } from '../../../shared/plugin-file.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import { openJobProgram } from '../../../worker/learning/open.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';
import { exampleFolder, modelModule, pluginFolder } from '../../support/plugin-files.ts';

/** What loading the module says, without the words that every refusal begins with. */
async function refusal(t: TestContext, text: string, name = 'parts.js'): Promise<string> {
  const file = pluginFolder(t).write(name, text);
  return refusalOf(file);
}

async function refusalOf(...files: readonly string[]): Promise<string> {
  try {
    await loadRegistry(files);
  } catch (thrown) {
    assert.ok(thrown instanceof MetatrainError, String(thrown));
    assert.equal(thrown.code, 'PLUGIN_INVALID');
    const head = `cannot use the plugin ${files.at(-1)}: `;
    assert.ok(thrown.message.startsWith(head), thrown.message);
    return thrown.message.slice(head.length);
  }
  return assert.fail('the plugin was loaded');
}

const jobOf = (overrides: object) => sinusoidSpec('job', { ...overrides });
const lineJob = jobOf({ model: { architecture: 'line' } });

const messageOf = (thrown: unknown) => {
  assert.ok(thrown instanceof MetatrainError, String(thrown));
  return `${thrown.code} ${thrown.message}`;
};

test('a plugin outside every project imports metatrain/learning, and its parts are parts like ours', async (t) => {
  const file = pluginFolder(t).example();
  const registry = await loadRegistry([file]);
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  const [plugin] = registry.plugins;
  assert.deepEqual([plugin?.file, plugin?.name, plugin?.sha256], [file, 'my-parts.js', sha256]);
  const own = registry.list().filter((entry) => entry.plugin);
  assert.deepEqual(
    own.map(({ part }) => `${part.kind} ${part.name}`),
    ['distribution damped-oscillations', 'model residual-mlp', 'algorithm momentum-fomaml'],
  );
  const job = readJob(readFileSync(join(exampleFolder, 'job.yaml'), 'utf8'), registry);
  assert.equal(job.words.method, 'FOMAML with momentum 0.5');
  const engine = await createEngine({ engine: 'compiled', device: 'cpu' });
  const program = await openJobProgram(job.spec, { registry, engine, dataDirectories: [] });
  try {
    const { metaParams } = program.initialize();
    const { metaGradientSum } = await program.train(metaParams, { metaStep: 0, firstTask: 0, taskCount: 2 });
    assert.equal(metaGradientSum.length, job.parameterCount);
    assert.ok(metaGradientSum.some((value) => value !== 0));
  } finally {
    await program.close();
    await engine.close();
  }
});

test('the example in TypeScript is the example in JavaScript', async () => {
  const { transformSync } = await import('esbuild');
  const [js, ts] = ['js', 'ts'].map((extension) => {
    const text = readFileSync(join(exampleFolder, `my-parts.${extension}`), 'utf8');
    return transformSync(text, { loader: extension as 'js' | 'ts', minifyWhitespace: true, minifySyntax: true }).code;
  });
  assert.equal(ts, js);
});

test('parts may stand in a list that is the default export', async (t) => {
  const text = modelModule().replace('export const model =', 'const model =');
  const file = pluginFolder(t).write('list.js', `${text}export default [model];`);
  assert.ok((await loadRegistry([file])).has('model', 'line'));
});

test('without plugins there is one registry, of the built-in parts', async () => {
  assert.equal(await loadRegistry([]), builtIn);
});

test('a file that is missing, is a directory, or does not load is refused with the reason and the line', async (t) => {
  const { directory } = pluginFolder(t);
  assert.equal(await refusalOf(join(directory, 'no.js')), 'there is no such file');
  assert.equal(await refusalOf(directory), 'it is a directory; accepted: the file of a module');
  assert.match(await refusal(t, 'const a = ;\n'), /^it does not load: SyntaxError: Unexpected token ';'/);
  assert.equal(
    await refusal(t, "const a = 1;\nthrow new TypeError('not today');\n"),
    'it does not load: TypeError: not today (parts.js, line 2)',
  );
  assert.match(await refusal(t, "import 'no-such-package';"), /^it does not load: .*no-such-package/);
  assert.match(
    await refusal(t, "import { nothing } from 'metatrain/learning';"),
    /^it does not load: SyntaxError: .*nothing/,
  );
});

test('a file that a plugin imports is refused, since its hash does not cover it', async (t) => {
  const folder = pluginFolder(t);
  folder.write('own.js', 'export const a = 1;');
  const importing = folder.write('parts.js', `import './own.js';\n${modelModule()}`);
  assert.match(
    await refusalOf(importing),
    /^it does not load: it imports \.\/own\.js, which its hash does not cover; accepted: one file \(npx esbuild FILE --bundle/,
  );
});

test('TypeScript on a Node that does not strip types is refused with the Nodes that do', async (t) => {
  if ('typescript' in process.features && process.features.typescript) return t.skip('this Node strips types');
  assert.equal(
    await refusal(t, modelModule(), 'parts.ts'),
    `it does not load: Node ${process.versions.node} does not strip types; accepted: a .js file, or Node 22.18 or newer`,
  );
});

test('a module without a part says what a part is', async (t) => {
  const said = await refusal(t, "export const model = { name: 'line' };");
  assert.match(
    said,
    /^it exports no part; accepted: exported values that defineAlgorithm, .* of metatrain\/learning made$/,
  );
});

test('a name that is taken is refused, by a built-in part or by another plugin', async (t) => {
  assert.equal(
    await refusal(t, modelModule("name: 'mlp'")),
    'model "mlp": the name is taken by a built-in part; accepted: a name of its own',
  );
  const folder = pluginFolder(t);
  const [first, second] = [folder.write('a.js', modelModule()), folder.write('b.js', modelModule())];
  assert.equal(
    await refusalOf(first, second),
    `model "line": the name is taken by the plugin ${first}; accepted: a name of its own`,
  );
});

const malformed: readonly (readonly [change: string, problem: RegExp])[] = [
  [
    'schema: () => true',
    /^model "line": schema: got a function; accepted: a z\.strictObject\(\{ … \}\) of the z of metatrain\/learning$/,
  ],
  ['schema: z.string()', /^model "line": schema: got .*; accepted: a z\.strictObject/],
  [
    'schema: z.strictObject({ architecture: z.string() })',
    /schema\.architecture: the field is MetaTrain's; accepted: another name/,
  ],
  ['schema: z.strictObject({}).refine(() => true)', /schema: got a refinement of the object; accepted: /],
  ['name: undefined', /^model 1: name: got nothing; accepted: lower-case words joined by "-", at most 60 characters$/],
  ["name: 'My Model'", /name: got "My Model"; accepted: lower-case words/],
  ["title: ''", /title: got ""; accepted: a text/],
  ['paper: 1', /paper: got 1; accepted: a text; empty where there is nothing to cite/],
  ['variants: undefined', /variants: got nothing; accepted: small sections by name/],
  ['variants: {}', /variants: got \{\}; accepted: small sections by name, at least one/],
  ["variants: { wide: { width: 'x' } }", /variants\.wide: width: Invalid input/],
  [
    'schema: z.strictObject({ width: z.int().default(1).transform((w) => w + 1) })',
    /variants\.usual: the section is another one once it was written as JSON/,
  ],
  ['build: 3', /build: got 3; accepted: a function/],
  ['layers: undefined', /layers: got nothing; accepted: a function/],
  ['check: true', /check: got true; accepted: a function, or nothing/],
];

test('a part that is malformed is refused with every field that is', async (t) => {
  for (const [change, problem] of malformed) assert.match(await refusal(t, modelModule(change)), problem, change);
  const several = await refusal(t, modelModule("title: '', build: 3"));
  assert.equal(
    several,
    'model "line": title: got ""; accepted: a text; model "line": build: got 3; accepted: a function',
  );
});

test('more plugins than workers may name are refused', async () => {
  const files = Array.from({ length: 17 }, (_, index) => `/parts/${index}.js`);
  await assert.rejects(loadRegistry(files), {
    code: 'PLUGIN_INVALID',
    message: '--plugin: got 17 files; accepted: at most 16',
  });
});

test('flags replace METATRAIN_PLUGIN; paths are absolute, and each is there once', () => {
  const environment = { METATRAIN_PLUGIN: ['a.js', '/b.js', 'a.js'].join(delimiter) };
  assert.deepEqual(pluginFiles([], environment), [resolve('a.js'), resolve('/b.js')]);
  assert.deepEqual(pluginFiles(['c.js'], environment), [resolve('c.js')]);
  assert.deepEqual(pluginFiles([], {}), []);
});

test('what a part throws while a job file is checked is named with the part, its plugin and the line', async (t) => {
  const file = pluginFolder(t).write(
    'parts.js',
    modelModule("parameters() {\n    throw new RangeError('no such width');\n  }"),
  );
  const registry = await loadRegistry([file]);
  const { sha256 } = registry.plugins[0]!;
  assert.throws(
    () => readJob(lineJob, registry),
    (thrown) => {
      assert.match(
        messageOf(thrown),
        new RegExp(
          `^REQUEST_INVALID the model "line" of the plugin parts\\.js \\(sha256 ${sha256.slice(0, 12)}\\) failed in parameters: RangeError: no such width \\(parts\\.js, line \\d+\\)$`,
        ),
      );
      return true;
    },
  );
});

const inTheEngine: readonly (readonly [change: string, where: string, fault: string])[] = [
  ["build() { throw new Error('not built'); }", 'build', 'not built'],
  ['build: () => ({ predict: () => nothing })', 'build().predict', 'ReferenceError: nothing is not defined'],
  [
    'build: () => new (class { #a = 1; predict() { return this.#a.b.c; } })()',
    'build().predict',
    'TypeError: Cannot read',
  ],
];

test('a part that throws while it is built or traced fails the job for good, with its name', async (t) => {
  for (const [change, where, fault] of inTheEngine) {
    const registry = await loadRegistry([pluginFolder(t).write('parts.js', modelModule(change))]);
    const { spec } = readJob(lineJob, registry);
    const engine = await createEngine({ engine: 'compiled', device: 'cpu' });
    const compute = async () => {
      const program = await openJobProgram(spec, { registry, engine, dataDirectories: [] });
      await program.train(program.initialize().metaParams, { metaStep: 0, firstTask: 0, taskCount: 1 });
    };
    await assert.rejects(compute(), (thrown) => {
      const said = messageOf(thrown);
      assert.match(
        said,
        /^REQUEST_INVALID (program "maml line train": )?the model "line" of the plugin parts\.js \(sha256 /,
      );
      assert.ok(said.includes(`failed in ${where}: ${fault}`), said);
      return true;
    });
    await engine.close();
  }
});

const optimizerModule = (functions: string) => `import { defineOptimizer, z } from 'metatrain/learning';
export const own = defineOptimizer({
  name: 'own', title: 'own', summary: 'of a test', paper: '', schema: z.strictObject({}), variants: { usual: {} }, ${functions}
});`;
const ownOptimizer = jobOf({ meta: { iterations: 1, batchSize: 4, optimizer: { name: 'own' } } });

test('what a meta-optimizer throws, or returns that is not the next parameters, is refused before the coordinator goes on with it', async (t) => {
  const load = async (functions: string) =>
    loadRegistry([pluginFolder(t).write('parts.js', optimizerModule(functions))]);
  const throwing = await load(
    "slots() { throw new Error('no room'); }, update: (_, { metaParams }) => metaParams.slice()",
  );
  assert.throws(
    () => readJob(ownOptimizer, throwing),
    /the optimizer "own" of the plugin parts\.js .* failed in slots: no room/,
  );
  const update = { metaGradient: new Float64Array(2), slots: {}, learningRate: 1, step: 0 };
  for (const returned of ['metaParams', 'metaParams.slice(1)', '[1, 2]', 'metaParams.subarray(0)', 'undefined']) {
    const registry = await load(`slots: () => [], update: (_, { metaParams }) => ${returned}`);
    const { optimizer, spec } = readJob(ownOptimizer, registry);
    assert.throws(
      () => optimizer.update(spec.meta.optimizer, { ...update, metaParams: new Float32Array(2) }),
      /failed in update: it must return a Float32Array of its own with 2 numbers/,
      returned,
    );
  }
});

test('a part of a plugin that is not there is refused with the flag that loads it', () => {
  assert.throws(
    () => readJob(lineJob),
    (thrown) => {
      assert.match(
        messageOf(thrown),
        /model\.architecture: got "line"; accepted: .*, or a part of a plugin \(--plugin FILE\)$/,
      );
      return true;
    },
  );
});

test('a file that has changed since the process was started stops a thread that loads it again', async (t) => {
  const file = pluginFolder(t).example();
  const registry = await loadRegistry([file]);
  const loaded = identitiesOf(registry.plugins);
  assert.equal((await loadSameRegistry(loaded)).plugins[0]?.sha256, loaded[0]?.sha256);
  const other = loaded.map((plugin) => ({ ...plugin, sha256: 'a'.repeat(64) }));
  await assert.rejects(loadSameRegistry(other), (thrown) => {
    const { sha256 } = loaded[0]!;
    assert.equal(
      messageOf(thrown),
      `PLUGIN_DIFFERS the plugin ${file} has changed since this process was started: it was my-parts.js (sha256 aaaaaaaaaaaa), ` +
        `and is my-parts.js (sha256 ${sha256.slice(0, 12)}); start the process again`,
    );
    return true;
  });
});

test('a job file written out with every default is the same job', async (t) => {
  const registry = await loadRegistry([pluginFolder(t).example()]);
  const { spec } = readJob(readFileSync(join(exampleFolder, 'job.yaml'), 'utf8'), registry);
  assert.deepEqual(readJob(yamlText(spec), registry).spec, spec);
});
