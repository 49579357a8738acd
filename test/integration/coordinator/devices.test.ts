// A job is computed by the engine and on the device that its placement names; ListWorkers tells what each worker offers and why it idles.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { call, specText, TestCluster } from './cluster.ts';

test('a job goes to the worker that offers its device, and ListWorkers says why the other one idles', async (t) => {
  const cluster = await TestCluster.start(t);
  const plain = await cluster.worker('plain');
  const graphics = { kind: 'cuda', name: 'NVIDIA H100', memoryBytes: 80 * 2 ** 30, driver: 'NVIDIA 550.54' };
  const jobId = await cluster.submit(specText({ iterations: 100_000, placement: { device: 'cuda' } }));

  const before = await call(cluster.cluster, 'ListWorkers', {});
  assert.equal(before.workers[0]!.engine, 'compiled');
  assert.equal(before.workers[0]!.device!.kind, 'cpu');
  assert.equal(
    before.workers[0]!.idleReason,
    `job ${jobId} asks for compiled/cuda (placement), and this worker offers compiled/cpu`,
  );

  const gpu = await cluster.worker('gpu', { hello: { engine: 'compiled', device: graphics } });
  await cluster.watch(jobId, ({ metaStep }) => !!metaStep);
  assert.ok(gpu.leases.length > 0);
  assert.equal(plain.leases.length, 0);
  const { workers } = await call(cluster.cluster, 'ListWorkers', {});
  assert.deepEqual(workers.find(({ workerId }) => workerId === 'gpu')!.device, graphics);
});

test('placement.mixed lifts the fingerprint, not the device or the engine', async (t) => {
  const cluster = await TestCluster.start(t);
  const eager = await cluster.worker('eager', { hello: { engine: 'eager' } });
  const webgpu = await cluster.worker('webgpu', { hello: { device: { kind: 'webgpu' } } });
  const jobId = await cluster.submit(specText({ placement: { mixed: true } }));
  const fits = [
    await cluster.worker('a', { fingerprint: 'engine/a' }),
    await cluster.worker('b', { fingerprint: 'engine/b', hello: { engine: 'compiled', device: { kind: 'cpu' } } }),
  ];
  assert.equal((await cluster.end(jobId)).state, 'JOB_STATE_SUCCEEDED');
  assert.ok(fits.some(({ leases }) => leases.length > 0));
  assert.deepEqual([eager.leases.length, webgpu.leases.length], [0, 0]);
});

test('a hello with an engine or device that no job can name is refused', async (t) => {
  const cluster = await TestCluster.start(t);
  for (const [hello, expected] of [
    [{ engine: 'magic' }, /hello\.engine: got "magic"; accepted: compiled, eager/],
    [{ device: { kind: 'tpu' } }, /hello\.device\.kind: got "tpu"; accepted: cpu, webgpu, cuda/],
  ] as const) {
    const { code, details } = await (await cluster.worker('bad', { hello })).ended;
    assert.equal(code, status.INVALID_ARGUMENT);
    assert.match(details, expected);
  }
});
