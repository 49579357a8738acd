// What a worker says of a span is held against its lease and the job file, and θ against its hash.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Batch } from '../../../../coordinator/core/state.ts';
import { checkSpan, expectedSpanOf } from '../../../../coordinator/jobs/span-results.ts';
import { readJob } from '../../../../learning/job-file.ts';
import { stateElements } from '../../../../learning/outer-loop/span.ts';
import type { SpanStep__Output } from '../../../../shared/gen/metatrain/v1/SpanStep.ts';
import { bytesOfVector, sha256 } from '../../../../shared/tensor-codec.ts';
import { sinusoidSpec } from '../../../support/job-specs.ts';

const meta = {
  iterations: 10,
  batchSize: 12,
  optimizer: { name: 'adam', learningRate: 0.5 },
  schedule: { name: 'linear' },
};
const jobOf = (onNonFinite: string) =>
  readJob(sinusoidSpec('job', { meta: { ...meta, onNonFinite }, placement: { shardSize: 5 } }));
const job = jobOf('skip');
const state = new Float32Array(stateElements(job)).fill(0.25);
const paramsSha256 = sha256(bytesOfVector(state.slice(0, job.parameterCount)));

/** Of three shards: 5, 5 and 2 tasks. */
const step = (changes: Partial<SpanStep__Output> = {}): SpanStep__Output => ({
  paramsSha256,
  shardsSha256: Buffer.alloc(3 * 32),
  measures: [1.5],
  metaGradientNorm: 2,
  skipped: [],
  ...changes,
});

function check(steps: readonly SpanStep__Output[], { vector = state, onNonFinite = 'skip' } = {}) {
  let released = 0;
  const payload = { bytes: bytesOfVector(vector), release: () => (released += 1) };
  const expected = expectedSpanOf(jobOf(onNonFinite)) ?? assert.fail('the job can have spans');
  try {
    return checkSpan({ step: 4, steps: 3 } as Batch, steps, payload, expected);
  } finally {
    assert.equal(released, 1, 'the memory is given back in any case');
  }
}

test('a span that ends early counts, with the learning rates of the job file and the tasks left out', () => {
  const { metaParams, optimizer, steps } = check([
    step({ paramsSha256: Buffer.alloc(32) }),
    step({ skipped: [{ shard: 2, tasks: [0, 1] }] }),
  ]);
  assert.deepEqual([metaParams.length, optimizer.length], [job.parameterCount, 2 * job.parameterCount]);
  assert.deepEqual(
    steps.map(({ applied }) => applied.skippedTasks),
    [0, 2],
  );
  const [first, second] = steps.map(({ applied }) => applied.learningRate);
  assert.ok(first! < 0.5 && second! < first!, `${first} ${second}`);
});

const nan = state.slice().fill(Number.NaN, state.length - 1);
const wrong: readonly (readonly [what: string, run: () => unknown, message: RegExp])[] = [
  ['no meta-step', () => check([]), /span\.steps: got 0 meta-steps; accepted: 1 to 3/],
  ['more meta-steps than were leased', () => check([step(), step(), step(), step()]), /got 4 meta-steps/],
  ['another hash of θ', () => check([step({ paramsSha256: Buffer.alloc(32) })]), /span\.steps\.params_sha256/],
  ['a short hash', () => check([step({ paramsSha256: Buffer.alloc(31) }), step()]), /params_sha256: got 31/],
  ['hashes of other shards', () => check([step({ shardsSha256: Buffer.alloc(64) })]), /got 64; accepted: 96/],
  ['another number of measures', () => check([step({ measures: [] })]), /measures: got 0; accepted: 1/],
  ['a loss that is not finite', () => check([step({ measures: [Number.NaN] })]), /got NaN; accepted: finite/],
  ['an optimizer state that is not finite', () => check([step()], { vector: nan }), /holds a NaN or an infinity/],
  ['a shorter state', () => check([step()], { vector: state.slice(1) }), /./],
  ['tasks of a shard that is none', () => check([step({ skipped: [{ shard: 3, tasks: [0] }] })]), /below 3/],
  ['a task that the shard has not', () => check([step({ skipped: [{ shard: 2, tasks: [2] }] })]), /offsets below 2/],
  [
    'tasks left out with onNonFinite: fail',
    () => check([step({ skipped: [{ shard: 0, tasks: [0] }] })], { onNonFinite: 'fail' }),
    /none with meta\.onNonFinite: fail/,
  ],
];

for (const [what, run, message] of wrong) {
  test(`a span with ${what} is refused`, () => {
    assert.throws(run, message);
  });
}
