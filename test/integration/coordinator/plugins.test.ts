// A coordinator with plugins: what a job's record keeps of them, which workers get its shards, and what
// is said when it starts again without them or with another version.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { loadRegistry } from '../../../learning/load.ts';
import { pluginFolder } from '../../support/plugin-files.ts';
import { call, rejection, specText, TestCluster } from './cluster.ts';

const identityOf = (file: string, name = 'my-parts.js') => ({
  name,
  sha256: createHash('sha256').update(readFileSync(file)).digest('hex'),
});
const spec = (changes: object = {}) =>
  JSON.stringify({ ...JSON.parse(specText()), algorithm: { name: 'momentum-fomaml' }, ...changes });
const short = ({ sha256 }: { readonly sha256: string }) => `my-parts.js (sha256 ${sha256.slice(0, 12)})`;

test('a job of a plugin is computed by the worker that holds it, and its record names the plugin', async (t) => {
  const file = pluginFolder(t).example();
  const cluster = await TestCluster.start(t, { plugins: [file] });
  const plugin = identityOf(file);
  const without = await cluster.worker('without');
  const jobId = await cluster.submit(spec());
  const { waiting, plugins } = await cluster.job(jobId);
  assert.equal(waiting?.reason, 'otherPlugin');
  assert.deepEqual(plugins, [plugin]);
  const [idle] = (await call(cluster.cluster, 'ListWorkers', {})).workers;
  assert.equal(
    idle?.idleReason,
    `job ${jobId} uses the plugin ${short(plugin)}, which this worker was started without (--plugin)`,
  );
  await cluster.worker('with', {
    registry: await loadRegistry([file]),
    hello: { plugins: [{ ...plugin, name: 'called-otherwise.js' }] },
  });
  assert.equal((await cluster.end(jobId)).state, 'JOB_STATE_SUCCEEDED');
  assert.equal(without.leases.length, 0);
  const { workers } = await call(cluster.cluster, 'ListWorkers', {});
  assert.deepEqual(workers.find(({ workerId }) => workerId === 'with')?.plugins, [
    { ...plugin, name: 'called-otherwise.js' },
  ]);
  assert.deepEqual((await cluster.job(await cluster.submit())).plugins, [], 'a job of built-in parts names none');
});

test('a coordinator that starts again without the plugin leaves the job out, says what is missing, and takes it up with the plugin', async (t) => {
  const folder = pluginFolder(t);
  const file = folder.example();
  const cluster = await TestCluster.start(t, { plugins: [file] });
  const plugin = identityOf(file);
  const jobId = await cluster.submit(spec());
  await cluster.restart();
  const missing = await rejection(cluster.job(jobId));
  assert.equal(
    missing.details,
    `job ${jobId} is left out: it was begun with the plugin ${short(plugin)}, and this coordinator was started without it ` +
      'and has no algorithm "momentum-fomaml"; start it with --plugin and that file',
  );
  const changed = folder.example('changed.js', '\n');
  await cluster.restart({ plugins: [changed] });
  assert.match(
    (await rejection(cluster.job(jobId))).details,
    /and this coordinator was started without it; start it with --plugin and that file$/,
  );
  await cluster.restart({ plugins: [file] });
  await cluster.worker('with', { registry: await loadRegistry([file]), hello: { plugins: [plugin] } });
  assert.equal((await cluster.end(jobId)).state, 'JOB_STATE_SUCCEEDED');
  await cluster.restart();
  assert.deepEqual((await cluster.job(jobId)).plugins, [plugin], 'a job that has ended is read without its plugin');
});

test('an idempotency key of a job that was made with another version of its plugin is refused', async (t) => {
  const folder = pluginFolder(t);
  const file = folder.example();
  const cluster = await TestCluster.start(t, { plugins: [file] });
  await cluster.worker('with', { registry: await loadRegistry([file]), hello: { plugins: [identityOf(file)] } });
  const jobId = await cluster.submit(spec(), 'key');
  await cluster.end(jobId);
  assert.equal(await cluster.submit(spec(), 'key'), jobId);
  await cluster.restart({ plugins: [folder.example('my-parts.mjs', '\n')] });
  assert.match(
    (await rejection(cluster.submit(spec(), 'key'))).details,
    new RegExp(`^idempotency key "key" belongs to job ${jobId}, which was made with another version of its plugin$`),
  );
});

test('a hello with too many plugins, or one without a hash, is refused', async (t) => {
  const cluster = await TestCluster.start(t);
  const sha256 = 'a'.repeat(64);
  const refusals = [
    [Array.from({ length: 17 }, () => ({ name: 'x.js', sha256 })), 'hello.plugins: got 17; accepted: at most 16'],
    [[{ name: '', sha256 }], 'hello.plugins.name: got 0 characters; accepted: 1 to 200'],
    [[{ name: 'x.js', sha256: 'abc' }], 'hello.plugins.sha256: got "abc"; accepted: 64 hexadecimal digits'],
  ] as const;
  for (const [plugins, details] of refusals) {
    const worker = await cluster.worker('w', { hello: { plugins: [...plugins] } });
    assert.equal((await worker.ended).details, details);
  }
});
