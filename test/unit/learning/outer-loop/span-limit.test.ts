// Which jobs can have spans, and why others cannot.
import assert from 'node:assert/strict';
import test from 'node:test';
import { readJob } from '../../../../learning/job-file.ts';
import { spanLimit } from '../../../../learning/outer-loop/span.ts';
import { sinusoidSpec } from '../../../support/job-specs.ts';

const limitOf = (overrides: Readonly<Record<string, unknown>>) => spanLimit(readJob(sinusoidSpec('job', overrides)));
const meta = { iterations: 10, batchSize: 12 };

test('a small job has spans of so many meta-steps as one message can tell of', () => {
  // 512 KiB, and 96 bytes, 32 for each of 3 shards and 8 for the loss of a meta-step.
  assert.deepEqual(limitOf({ meta, placement: { shardSize: 4 } }), {
    maxSteps: Math.floor(524_288 / (96 + 3 * 32 + 8)),
  });
});

const refused: readonly (readonly [why: string, overrides: Readonly<Record<string, unknown>>])[] = [
  ['meta.update.mode: async', { meta: { ...meta, update: { mode: 'async', maxStaleness: 2 } } }],
  ['meta.privacy', { meta: { ...meta, privacy: { taskClipNorm: 1, noiseMultiplier: 1, delta: 1e-5 } } }],
  ['meta.aggregation.name: median', { meta: { ...meta, aggregation: { name: 'median' } } }],
  ['placement.results: int8', { placement: { shardSize: 4, results: 'int8' } }],
  [
    "a state of 201424860 bytes, θ and the meta-optimizer's",
    { model: { architecture: 'mlp', hiddenLayers: [4_094, 4_096] } },
  ],
  [
    'sums of 273161460 bytes, of the 65 shards of a meta-step',
    {
      model: { architecture: 'mlp', hiddenLayers: [1_022, 1_024] },
      meta: { iterations: 10, batchSize: 65 },
      placement: { shardSize: 1 },
    },
  ],
];

for (const [because, overrides] of refused) {
  test(`no spans with ${because}`, () => assert.deepEqual(limitOf(overrides), { because }));
}
