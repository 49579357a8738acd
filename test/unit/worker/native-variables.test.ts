// What native libraries are told through the environment, and that a user's own settings stay.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nativeVariables } from '../../../worker/config.ts';

test('the compiled engine on the cpu needs nothing of the environment', () => {
  assert.deepEqual(nativeVariables({ engine: 'compiled', device: 'cpu' }, {}), {});
});

test('TensorFlow gets one thread a compute thread, and a worker that offers the cpu sees no GPU', () => {
  const variables = nativeVariables({ engine: 'eager', device: 'cpu' }, {});
  assert.equal(variables.TF_NUM_INTRAOP_THREADS, '1');
  assert.equal(variables.TF_NUM_INTEROP_THREADS, '1');
  assert.equal(variables.CUDA_VISIBLE_DEVICES, '-1');
});

test('on CUDA float32 is float32, for both engines, and the GPU stays visible', () => {
  for (const engine of ['compiled', 'eager'] as const) {
    const variables = nativeVariables({ engine, device: 'cuda' }, {});
    assert.equal(variables.NVIDIA_TF32_OVERRIDE, '0');
    assert.equal(variables.CUDA_VISIBLE_DEVICES, undefined);
  }
});

test('what the user has set stays', () => {
  const set = { TF_NUM_INTRAOP_THREADS: '8', CUDA_VISIBLE_DEVICES: '' };
  const variables = nativeVariables({ engine: 'eager', device: 'cpu' }, set);
  assert.ok(!('TF_NUM_INTRAOP_THREADS' in variables) && !('CUDA_VISIBLE_DEVICES' in variables));
  assert.equal(variables.TF_NUM_INTEROP_THREADS, '1');
});
