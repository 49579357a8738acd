// The worker's process with devices that it cannot offer: one line that says why, the exit code that scripts rely on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasNvidiaDriver } from '../../../worker/engine/devices.ts';
import { leftOutUnless } from '../../support/needs.ts';
import { TestProcess } from '../../support/processes.ts';

const skip = leftOutUnless(!hasNvidiaDriver(), 'a worker without its GPU', 'this machine has an NVIDIA driver');

test('a check of a missing device exits 1 and reports it in words and as JSON', { skip }, async (t) => {
  const check = new TestProcess(t, 'worker/main.js', ['--check', '--device', 'cuda', '--json']);
  const result = await check.ready<{ passed: boolean; error: { code: string; message: string } }>();
  assert.equal(result.passed, false);
  assert.equal(result.error.code, 'DEVICE_MISSING');
  assert.match(result.error.message, /^device cuda \(engine compiled\) is not here: this machine has no NVIDIA driver/);
  assert.equal((await check.exited).code, 1);
  assert.equal(check.stderr, `error: ${result.error.message}\n`);
});

test('a worker for a missing device does not start', { skip }, async (t) => {
  const worker = new TestProcess(t, 'worker/main.js', [], { METATRAIN_DEVICE: 'cuda' });
  assert.equal((await worker.exited).code, 1);
  assert.match(worker.stderr, /"code":"DEVICE_MISSING","msg":"device cuda \(engine compiled\) is not here/);
});

test('flags that cannot go together are wrong usage', async (t) => {
  for (const [flags, expected] of [
    [['--engine', 'eager', '--device', 'webgpu'], /--device: got webgpu; accepted with '--engine eager': cpu, cuda/],
    [['--device', 'webgpu', '--slots', '2'], /--slots: got 2; accepted with '--device webgpu': 1/],
    [['--device', 'tpu'], /Allowed choices are cpu, webgpu, cuda/],
  ] as const) {
    const worker = new TestProcess(t, 'worker/main.js', flags);
    assert.equal((await worker.exited).code, 2);
    assert.match(worker.stderr, expected);
  }
});
