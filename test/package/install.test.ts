// Both packages in empty projects, on each Node with the npm of its time: the install, a job, the
// client library and command, the types.
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import { packageRoot } from '../../shared/wire.ts';
import { nodeFromRegistry, packageFromRegistry } from '../support/from-registry.ts';
import { type Outcome, Project } from './project.ts';

const {
  METATRAIN_TEST_PACKAGE: whole,
  METATRAIN_TEST_CLIENT_PACKAGE: client,
  METATRAIN_TEST_NODES: nodes,
} = process.env;
assert.ok(whole && client && nodes, 'npm run test:package packs first and then runs this file');

/**
 * Newer versions of npm do not run on older versions of Node; 10 and 11 run install scripts, 12 does
 * not.
 */
const npmOf: Readonly<Record<number, string>> = { 20: '10', 22: '11', 24: '12' };

const typescripts = {
  /** The last line with moduleResolution node10. */
  5: join(packageFromRegistry('typescript', '5'), 'bin', 'tsc'),
  7: join(packageRoot, 'node_modules', 'typescript', 'bin', 'tsc'),
};
const resolutions = [
  // zod's declarations, with skipLibCheck off, ask for esModuleInterop.
  { typescript: 5, module: 'commonjs', moduleResolution: 'node10', esModuleInterop: true },
  { typescript: 5, module: 'node16', moduleResolution: 'node16' },
  { typescript: 5, module: 'esnext', moduleResolution: 'bundler' },
  { typescript: 7, module: 'nodenext', moduleResolution: 'nodenext' },
  { typescript: 7, module: 'esnext', moduleResolution: 'bundler' },
] as const;

/** θ of the same job on every Node. */
const hashes = new Set<string>();
/** The SHA-256 of θ that the plugin's job ends with. */
const pluginHashes = new Set<string>();

interface RunFacts {
  readonly state: string;
  readonly paramsSha256: string;
}

const shortPluginJob = ['meta.iterations=20', 'evaluation.every=0', 'evaluation.tasks=20'].flatMap((text) => [
  '--set',
  text,
]);

const majors = nodes.split(' ').map(Number);

for (const major of majors) {
  describe(`Node ${major} with npm ${npmOf[major]}`, () => {
    let server: Project;
    let user: Project;
    let address: string;

    before(() => {
      const node = nodeFromRegistry(major);
      const npm = packageFromRegistry('npm', npmOf[major]!);
      server = new Project(node, npm);
      user = new Project(node, npm);
    });
    after(async () => {
      await user.remove();
      await server.remove();
    });

    test('both packages install into an empty project', async () => {
      succeeded(await server.npm('install', whole));
      succeeded(await user.npm('install', client));
    });

    test('npx metatrain run trains, and to the same bytes as on every other Node', async () => {
      const job = 'node_modules/metatrain/examples/sinusoid.yaml';
      const flags = ['--set', 'meta.iterations=50', '--set', 'evaluation.tasks=20', '--workers', '1', '--json'];
      const { stdout } = succeeded(await server.npm('exec', '--', 'metatrain', 'run', job, ...flags));
      const { state, paramsSha256 } = JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, string>;
      assert.equal(state, 'SUCCEEDED');
      hashes.add(paramsSha256!);
      assert.equal(hashes.size, 1, [...hashes].join(' '));
    });

    test("metatrain run trains with a plugin of the project's own, in JavaScript and where Node strips types in TypeScript", async () => {
      for (const project of [server, user]) {
        for (const name of ['my-parts.js', 'my-parts.ts', 'job.yaml']) {
          cpSync(join(packageRoot, 'examples', 'plugin', name), join(project.directory, name));
        }
      }
      const flags = ['--workers', '1', '--no-output', '--json', ...shortPluginJob];
      const run = (plugin: string) => server.metatrain('run', 'job.yaml', '--plugin', plugin, ...flags);
      const plain = JSON.parse(
        succeeded(await run('my-parts.js'))
          .stdout.trim()
          .split('\n')
          .at(-1)!,
      ) as RunFacts;
      assert.equal(plain.state, 'SUCCEEDED');
      pluginHashes.add(plain.paramsSha256);
      assert.equal(pluginHashes.size, 1, 'the same bytes as on every other Node');
      const strips =
        succeeded(await server.run('node', '-p', '!!process.features.typescript')).stdout.trim() === 'true';
      const typed = await run('my-parts.ts');
      if (!strips) {
        assert.equal(typed.status, 1);
        assert.match(
          typed.stderr,
          /my-parts\.ts: it does not load: Node \S+ does not strip types; accepted: a \.js file, or Node /,
        );
        return;
      }
      const same = JSON.parse(succeeded(typed).stdout.trim().split('\n').at(-1)!) as RunFacts;
      assert.equal(same.paramsSha256, plain.paramsSha256);
    });

    test('metatrain up serves gRPC and the console', async () => {
      const flags = ['--workers', '1', '--listen', '127.0.0.1:0', '--json', '--plugin', 'my-parts.js'];
      const { coordinator, http } = await server.service<{ coordinator: string; http: string }>('up', ...flags);
      address = coordinator;
      const page = await fetch(`http://${http}/`);
      assert.equal(page.status, 200);
      const assets = [...(await page.text()).matchAll(/(?:src|href)="([^"]*assets[^"]*)"/g)].map(([, path]) => path!);
      assert.ok(assets.length > 0);
      for (const path of assets) assert.equal((await fetch(new URL(path, page.url))).status, 200, path);
    });

    test('the client submits, lists and reports a job', async () => {
      const at = ['--coordinator', address];
      const job = 'node_modules/metatrain-client/examples/sinusoid.yaml';
      const flags = ['--set', 'meta.iterations=20', '--set', 'evaluation.tasks=20', '--watch'];
      succeeded(await user.metatrain('submit', job, ...flags, ...at));
      const { stdout } = succeeded(await user.metatrain('jobs', 'list', '--json', ...at));
      const [{ jobId }] = (JSON.parse(stdout) as { jobs: [{ jobId: string }] }).jobs;
      succeeded(await user.metatrain('report', jobId, ...at));
    });

    test('the client checks and submits a job of a plugin, although it exports no metatrain/learning', async () => {
      const flags = ['--plugin', 'my-parts.js', '--watch', '--json', '--coordinator', address, ...shortPluginJob];
      const { stdout } = succeeded(await user.metatrain('submit', 'job.yaml', ...flags));
      const job = JSON.parse(stdout.trim().split('\n').at(-1)!) as RunFacts;
      assert.equal(job.state, 'SUCCEEDED');
      assert.ok(pluginHashes.has(job.paramsSha256));
    });

    test('the client says which package runs a cluster', async () => {
      const { status, stderr } = await user.metatrain('up');
      assert.equal(status, 1);
      assert.match(
        stderr,
        /needs the coordinator, which is not installed here: metatrain-client .* leave it out; install the package metatrain/,
      );
    });

    for (const name of ['metatrain', 'metatrain-client']) {
      const project = () => (name === 'metatrain' ? server : user);

      test(`import { MetatrainClient } from '${name}' finds the job`, async () => {
        project().write(
          'states.mjs',
          `${program(name)}\nfor (const state of await states('${address}')) console.log(state);\n`,
        );
        const states = succeeded(await project().run('node', 'states.mjs'))
          .stdout.trim()
          .split('\n');
        assert.deepEqual(states, ['SUCCEEDED', 'SUCCEEDED']);
      });

      // The same on every Node.
      if (major !== majors[0]) continue;
      for (const { typescript, ...options } of resolutions) {
        test(`types of ${name}: TypeScript ${typescript}, moduleResolution ${options.moduleResolution}`, async () => {
          project().write('program.ts', typedProgram(name));
          const compilerOptions = { ...options, target: 'es2022', strict: true, noEmit: true, skipLibCheck: false };
          project().write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['program.ts'] }));
          succeeded(await project().run('node', typescripts[typescript], '--project', '.'));
        });

        if (name !== 'metatrain') continue;
        test(`types of metatrain/learning: TypeScript ${typescript}, moduleResolution ${options.moduleResolution}`, async () => {
          // TensorFlow.js's own declarations do not pass without it.
          const compilerOptions = { ...options, target: 'es2022', strict: true, noEmit: true, skipLibCheck: true };
          server.write('wrong.ts', wrongPart);
          server.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['my-parts.ts', 'wrong.ts'] }));
          succeeded(await server.run('node', typescripts[typescript], '--project', '.'));
        });
      }
    }
  });
}

function succeeded(outcome: Outcome): Outcome {
  assert.equal(outcome.status, 0, `${outcome.stdout}\n${outcome.stderr}`);
  return outcome;
}

/** Fails where the types of a part are `any`. */
const wrongPart = `import { defineModel, z } from 'metatrain/learning';
defineModel({
  name: 'line',
  title: 'a line',
  summary: 'y = a',
  paper: '',
  schema: z.strictObject({ width: z.int().default(1) }),
  variants: { usual: {} },
  sizeField: 'width',
  // @ts-expect-error: the schema has no such field
  describe: ({ height }) => String(height),
  parameters: () => [],
  isTransductive: () => false,
  layers: () => 1,
  // @ts-expect-error: a prediction is a tensor
  build: () => ({ predict: () => 1 }),
});
`;

function program(name: string): string {
  return `import { MetatrainClient } from '${name}';
async function states(address) {
  const client = new MetatrainClient({ address });
  const found = [];
  for await (const job of client.listJobs()) found.push(job.state);
  client.close();
  return found;
}`;
}

/** Uses the types, and fails where they are \`any\`. */
function typedProgram(name: string): string {
  return `import { type Job, type JobSpec, type JobState, MetatrainClient, MetatrainError, parseJobSpec } from '${name}';
export async function states(address: string): Promise<JobState[]> {
  const client = new MetatrainClient({ address });
  const found: JobState[] = [];
  for await (const job of client.listJobs()) found.push(job.state);
  return found;
}
export const stepsOf = (job: Job): number => job.evaluations.length;
export const spec: JobSpec = parseJobSpec('name: x');
export const code: string = new MetatrainError('JOB_UNKNOWN', 'no').code;
// @ts-expect-error: no such method
new MetatrainClient({ address: '' }).noSuchMethod();
// @ts-expect-error: no such field of a spec
spec.noSuchField;
// @ts-expect-error: no such state
export const state: JobState = 'ELSEWHERE';
`;
}
