// Plugins on a cluster of real processes: workers with the plugin compute its jobs, the others say why
// they idle; and a coordinator that checks job files of a plugin's parts has no engine on its disk.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test, { type TestContext } from 'node:test';
import { MetatrainClient, type WorkerInfo } from '../../client/index.ts';
import { packageRoot } from '../../shared/wire.ts';
import { metatrain } from '../support/command.ts';
import { exampleFolder, pluginFolder } from '../support/plugin-files.ts';
import { TestProcess } from '../support/processes.ts';

const job = join(exampleFolder, 'job.yaml');
const short = ['evaluation.every=0', 'evaluation.tasks=8', 'placement.shardSize=1'].flatMap((text) => ['--set', text]);

async function coordinatorWith(t: TestContext, plugin: string, stateDirectory: string) {
  const flags = ['--listen', '127.0.0.1:0', '--http', 'off', '--state-dir', stateDirectory, '--plugin', plugin];
  const coordinator = new TestProcess(t, 'coordinator/main.js', [...flags, '--log-level', 'warn']);
  const { address } = await coordinator.ready<{ address: string }>();
  const client = new MetatrainClient({ address });
  t.after(() => client.close());
  const worker = async (workerId: string, ...more: string[]) => {
    const flags = ['--coordinator', address, '--slots', '1', '--worker-id', workerId, '--log-level', 'warn', ...more];
    const process = new TestProcess(t, 'worker/main.js', flags);
    await process.ready();
    return process;
  };
  return { coordinator, address, client, worker };
}

const reasonsOf = (workers: readonly WorkerInfo[]) =>
  Object.fromEntries(workers.map(({ workerId, idleReason }) => [workerId, idleReason]));

test('a job trains on the worker that has its plugin, and metatrain workers says why the other idles; changed by a byte, both idle', async (t) => {
  const folder = pluginFolder(t);
  const plugin = folder.example();
  const { address, client, worker } = await coordinatorWith(t, plugin, join(folder.directory, 'state'));
  const at = ['--coordinator', address];
  const having = await worker('having', '--plugin', plugin);
  const lacking = await worker('lacking');
  const submitted = await metatrain(t, ['submit', job, '--plugin', plugin, ...short, ...at]);
  assert.equal(submitted.code, 0, submitted.stderr);
  const jobId = submitted.stdout[0]!;
  let said = '';
  for await (const event of client.watchJob(jobId)) {
    if (event.kind !== 'metaStep') continue;
    said = reasonsOf(await client.listWorkers()).lacking ?? '';
    if (said !== '') break;
  }
  const uses = `job ${jobId} uses the plugin my-parts.js \\(sha256 [0-9a-f]{12}\\)`;
  assert.match(said, new RegExp(`^${uses}, which this worker was started without \\(--plugin\\)$`));
  const trained = await client.getJob(jobId);
  assert.ok(trained.steps > 0);
  const shown = await metatrain(t, ['workers', ...at]);
  assert.match(shown.stdout.join('\n'), /having .*my-parts\.js \(sha256 [0-9a-f]{12}\)/);

  await Promise.all([having.kill('SIGKILL'), lacking.kill('SIGKILL')]);
  appendFileSync(plugin, '\n');
  await Promise.all([worker('first', '--plugin', plugin), worker('second', '--plugin', plugin)]);
  const both = reasonsOf(await client.listWorkers());
  const another = new RegExp(
    `^${uses}, and this worker holds another version of it, my-parts\\.js \\(sha256 [0-9a-f]{12}\\)$`,
  );
  assert.match(both.first ?? '', another);
  assert.match(both.second ?? '', another);
  assert.equal((await client.getJob(jobId)).waiting?.reason, 'otherPlugin');
  const table = (await metatrain(t, ['workers', ...at])).stdout.join('\n');
  assert.equal(table.match(/holds another version of it/g)?.length, 2, table);
});

test('metatrain run passes its plugins on, and a part that fails to build ends the job with its name', async (t) => {
  const folder = pluginFolder(t);
  const plugin = folder.example();
  const flags = ['--workers', '1', '--slots', '1', '--no-output', '--json', ...short, '--set', 'meta.iterations=2'];
  const good = await metatrain(t, ['run', job, '--plugin', plugin, ...flags]);
  const result = good.json<{ state: string; plugins: { name: string }[] }>();
  assert.deepEqual([result.state, result.plugins.map(({ name }) => name)], ['SUCCEEDED', ['my-parts.js']], good.stderr);
  const text = readFileSync(plugin, 'utf8').replace(
    'build({ blocks }, { tf, task }) {',
    "build({ blocks }, { tf, task }) {\n    throw new RangeError('no room for blocks');",
  );
  const broken = folder.write('broken.js', text);
  const failed = await metatrain(t, ['run', job, ...flags], { METATRAIN_PLUGIN: broken });
  assert.equal(failed.code, 1);
  const { state, error } = failed.json<{ state: string; error: { code: string; message: string } }>();
  assert.deepEqual([state, error.code], ['FAILED', 'REQUEST_INVALID'], failed.stderr);
  assert.match(
    error.message,
    /the model "residual-mlp" of the plugin broken\.js \(sha256 [0-9a-f]{12}\) failed in build: RangeError: no room for blocks \(broken\.js, line \d+\)/,
  );
});

test('a coordinator with a plugin and without TensorFlow.js or ONNX Runtime on its disk accepts and refuses job files', async (t) => {
  const folder = pluginFolder(t);
  const plugin = folder.example();
  const root = installationWithoutEngines(t);
  const stateDirectory = join(folder.directory, 'state');
  const flags = ['--listen', '127.0.0.1:0', '--http', 'off', '--state-dir', stateDirectory, '--log-level', 'warn'];
  const child = spawn(process.execPath, [join(root, 'dist', 'coordinator', 'main.js'), ...flags, '--plugin', plugin], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  try {
    let address = '';
    for await (const line of createInterface({ input: child.stdout! })) {
      ({ address } = JSON.parse(line) as { address: string });
      break;
    }
    const client = new MetatrainClient({ address });
    const text = readFileSync(job, 'utf8');
    const { jobId } = await client.submitJob(text);
    assert.equal((await client.getJob(jobId)).state, 'QUEUED');
    await assert.rejects(client.submitJob(text.replace('blocks: 2', 'blocks: 99')), {
      code: 'REQUEST_INVALID',
      message: /model\.blocks: got 99; accepted: at most 16/,
    });
    await assert.rejects(client.submitJob(text.replace('momentum-fomaml', 'no-such')), {
      message: /algorithm\.name: got "no-such"; accepted: .*momentum-fomaml, or a part of a plugin/,
    });
    client.close();
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
});

/** A copy of this build, with the packages that it needs but those of an engine. */
function installationWithoutEngines(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'metatrain-no-engine-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const name of ['package.json', 'proto', 'dist/coordinator', 'dist/learning', 'dist/shared']) {
    cpSync(join(packageRoot, name), join(root, name), { recursive: true });
  }
  const packages = join(packageRoot, 'node_modules');
  mkdirSync(join(root, 'node_modules'));
  for (const name of readdirSync(packages)) {
    if (name.startsWith('.') || /^(@tensorflow|onnxruntime-)/.test(name)) continue;
    symlinkSync(join(packages, name), join(root, 'node_modules', name), 'junction');
  }
  assert.ok(!existsSync(join(root, 'node_modules', '@tensorflow')));
  return root;
}
