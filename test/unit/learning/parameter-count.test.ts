// The number of parameters that a job file is judged by, against counts worked out by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jobOf } from './small-jobs.ts';

const omniglot = { distribution: 'omniglot', ways: 5 };
const sinusoid = { distribution: 'sinusoid' };
const maml = { name: 'maml' };

for (const [what, task, model, expected] of [
  // 1·40 + 40 + 40·40 + 40 + 40·1 + 1
  ['the mlp of the sinusoid', sinusoid, { architecture: 'mlp' }, 1_761],
  // 784·64 + 64 + 64·5 + 5
  ['an mlp on images', omniglot, { architecture: 'mlp', hiddenLayers: [64] }, 50_565],
  // 9·(1 + 3·64)·64 + 4·2·64 + 64·5 + 5
  ['conv4 with stride', omniglot, { architecture: 'conv4', downsampling: 'stride' }, 112_005],
  ['conv4 with max-pooling, 1 × 1 × 64 features', omniglot, { architecture: 'conv4' }, 112_005],
  // 256 parameters of batch norm's scale less
  ['conv4 without a scale', omniglot, { architecture: 'conv4', batchNormScale: false }, 111_749],
] as const) {
  test(`${what} has ${expected} parameters`, () => {
    assert.equal(jobOf(task, model, maml).parameterCount, expected);
  });
}
