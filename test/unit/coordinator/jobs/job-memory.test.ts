// What jobs may take of the coordinator's memory is known and bounded before any of them is stored.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryOf, refuseBeyondMemory } from '../../../../coordinator/jobs/job-memory.ts';
import { readJob } from '../../../../learning/job-file.ts';
import { sinusoidSpec } from '../../../support/job-specs.ts';

const mebibyte = 2 ** 20;
const jobOf = (overrides: Readonly<Record<string, unknown>>) => readJob(sinusoidSpec('job', overrides));
const small = jobOf({});
/** 16,785,409 parameters, 64 MiB a vector. */
const large = jobOf({ model: { architecture: 'mlp', hiddenLayers: [4_094, 4_096] } });

test("a job's memory counts its parameters, the slots of its optimizer, and the results of a whole meta-batch", () => {
  const sgd = { name: 'sgd', learningRate: 0.1 };
  const withSgd = jobOf({ model: large.spec.model, meta: { iterations: 1, batchSize: 8, optimizer: sgd } });
  const vector = 4 * 16_785_409;
  assert.ok(memoryOf(large) > 13 * vector, '3 of θ, 4 of adam, 4 shards, and a sum in float64');
  assert.ok(memoryOf(large) < 14 * vector);
  assert.ok(memoryOf(large) - memoryOf(withSgd) > 3.99 * vector);
  const shards = jobOf({ model: large.spec.model, placement: { shardSize: 1 } });
  assert.ok(memoryOf(shards) - memoryOf(large) > 3.99 * vector);
});

test("a span counts for θ and the optimizer's state, as they are sent, come and are taken over", () => {
  const model = { architecture: 'mlp', hiddenLayers: [1_022, 1_024] };
  const memory = (spans: string) => memoryOf(jobOf({ model, placement: { shardSize: 8, spans } }));
  const vector = 4 * 1_050_625;
  // 2 of adam's state, twice 3 of θ and the state, instead of the one shard's sum.
  assert.ok(Math.abs(memory('always') - memory('never') - 7 * vector) < 0.01 * vector);
});

test('a thousand small jobs count for less than 200 MiB', () => {
  assert.ok(1_000 * memoryOf(small) < 200 * mebibyte);
});

test('a job that alone needs more memory than there is is refused as too large', () => {
  assert.throws(() => refuseBeyondMemory(large, [], 512 * mebibyte), {
    code: 'REQUEST_INVALID',
    message:
      "the job may take 832 MiB of the coordinator's memory, more than the 512 MiB that all jobs may take together (--job-memory); " +
      'a smaller model, a larger placement.shardSize or fewer evaluation.tasks take less',
  });
});

test('a job that fits once the others have ended is told to wait', () => {
  refuseBeyondMemory(large, [small], 1_024 * mebibyte);
  assert.throws(() => refuseBeyondMemory(large, [large, small], 1_024 * mebibyte), {
    code: 'QUEUE_FULL',
    message:
      "the job may take 832 MiB of the coordinator's memory, and the 2 jobs that have not ended leave 191 MiB of 1,024 MiB (--job-memory); try again when one has",
  });
});
