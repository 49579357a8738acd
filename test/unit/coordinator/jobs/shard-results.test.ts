// What a worker says is held against the lease and the job file: whatever the job file did not ask for
// is refused by field.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Lease, WorkKind } from '../../../../coordinator/core/state.ts';
import { checkResult, type ExpectedResult } from '../../../../coordinator/jobs/shard-results.ts';
import type { ShardResult__Output } from '../../../../shared/gen/metatrain/v1/ShardResult.ts';
import { bytesOfVector } from '../../../../shared/tensor-codec.ts';
import { accuracyHeads, evaluateHeads, lossHeads, rowsOf } from '../../../support/measures.ts';

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const layout = { tensors: [{ name: 'w', shape: [3] }] };
const classification: ExpectedResult = {
  parameters: 3,
  layout,
  format: 'float32',
  sumBytes: 12,
  carryElements: () => 0,
  measures: { train: accuracyHeads, evaluate: evaluateHeads(2), ensemble: evaluateHeads(2) },
};
const regression: ExpectedResult = {
  parameters: 3,
  layout,
  format: 'float32',
  sumBytes: 12,
  carryElements: () => 0,
  measures: { train: lossHeads, evaluate: evaluateHeads(2).slice(0, 1), ensemble: evaluateHeads(2).slice(0, 1) },
};

/** A shard of two tasks. */
const leaseOf = (work: WorkKind) =>
  ({ job: { plan: { jobId: 'j' } }, batch: { work }, shard: { taskCount: 2 } }) as unknown as Lease;

const payload = () => ({ bytes: bytesOfVector(Float32Array.of(1, 2, 3)), release: () => undefined });

function check(work: WorkKind, said: object, expected: ExpectedResult) {
  const message = { jobId: 'j', data: [], result: work, [work]: said } as unknown as ShardResult__Output;
  return checkResult(leaseOf(work), message, payload, expected, undefined);
}

const losses = [1, 2, 3, 4, 5, 6];
const accuracies = [0, 0.5, 1, 1, 0.25, 0];

const evaluation = (values: readonly number[] = losses) => ({ measures: rowsOf(values) });
const classified = (values: readonly number[] = accuracies) => ({ measures: rowsOf(losses, values) });
const training = (changes: object = {}) => ({
  payloadSha256: Buffer.alloc(32),
  weight: 2,
  measures: rowsOf([1, 2]),
  nonFiniteTasks: [],
  carrySha256: Buffer.alloc(0),
  ...changes,
});
const initial = (tensors: object[]) => ({ layout: { tensors }, payloadSha256: Buffer.alloc(32) });

test('results that match the job file are accepted, also with diverged tasks', () => {
  check('evaluate', evaluation(), regression);
  check('evaluate', evaluation([1, nan, infinity, 4, 5, 6]), regression);
  check('evaluate', classified(), classification);
  check('train', training(), regression);
  check('train', training({ measures: rowsOf([1, nan]), weight: 1, nonFiniteTasks: [1] }), regression);
  check('train', training({ measures: rowsOf([nan, nan]), weight: 0, nonFiniteTasks: [0, 1] }), regression);
  check('train', training({ measures: rowsOf([1, 2], [0, 1]) }), classification);
  check('initialize', initial([{ name: 'w', shape: [3] }]), regression);
});

const wrong: readonly (readonly [what: string, work: WorkKind, said: object, expected: ExpectedResult, RegExp])[] = [
  ['fewer points', 'evaluate', evaluation([1, 2, 3, 4]), regression, /measures\.loss: got 4 values; accepted: 6/],
  [
    'a loss beyond float32',
    'evaluate',
    evaluation([1, 2, 3, 4, 5, 1e300]),
    regression,
    /measures\.loss: got 1e\+300 at 5; accepted: float32 values/,
  ],
  ['accuracies of a regression', 'evaluate', classified(), regression, /measures: got loss, accuracy; accepted: loss/],
  [
    'a classification without accuracies',
    'evaluate',
    evaluation(),
    classification,
    /measures: got loss; accepted: loss, accuracy/,
  ],
  [
    'measures in another order',
    'evaluate',
    { measures: classified().measures.reverse() },
    classification,
    /measures: got accuracy, loss; accepted: loss, accuracy/,
  ],
  ['no measure', 'train', training({ measures: [] }), regression, /measures: got none; accepted: loss/],
  [
    'an accuracy above 1',
    'evaluate',
    classified([0, 0, 1e300, 0, 0, 0]),
    classification,
    /measures\.accuracy: got 1e\+300 at 2; accepted: 0 to 1/,
  ],
  [
    'an accuracy that is no number',
    'evaluate',
    classified([0, 0, 0, 0, 0, nan]),
    classification,
    /measures\.accuracy: got NaN at 5; accepted: 0 to 1/,
  ],
  [
    'a NaN loss of a task that is counted',
    'train',
    training({ measures: rowsOf([nan, 2]) }),
    regression,
    /measures\.loss: got NaN at 0; accepted: finite values, except of non_finite_tasks/,
  ],
  [
    'an infinite loss beside a task left out',
    'train',
    training({ measures: rowsOf([nan, infinity]), weight: 1, nonFiniteTasks: [0] }),
    regression,
    /measures\.loss: got Infinity at 1/,
  ],
  [
    'a negative accuracy',
    'train',
    training({ measures: rowsOf([1, 2], [0, -1]) }),
    classification,
    /measures\.accuracy: got -1 at 1; accepted: 0 to 1/,
  ],
  ['no weight', 'train', training({ weight: 0 }), regression, /weight: got 0; accepted: a finite number above 0/],
  ['a weight that is no number', 'train', training({ weight: nan }), regression, /weight: got NaN; accepted: a finite/],
  [
    'an endless weight',
    'train',
    training({ weight: infinity }),
    regression,
    /weight: got Infinity; accepted: a finite/,
  ],
  [
    'the weight of a shard without a task that counts',
    'train',
    training({ measures: rowsOf([nan, nan]), nonFiniteTasks: [0, 1] }),
    regression,
    /weight: got 2; accepted: 0, since no task counts/,
  ],
  [
    'tasks left out that are not of the shard',
    'train',
    training({ nonFiniteTasks: [2] }),
    regression,
    /non_finite_tasks: got 2; accepted: ascending offsets below 2/,
  ],
  [
    'a layout of another size',
    'initialize',
    initial([{ name: 'w', shape: [4] }]),
    regression,
    /layout\.tensors\[0\]: got w \[4\]; accepted: w \[3\], as the job file has it/,
  ],
  [
    'a layout of as many numbers in another shape',
    'initialize',
    initial([{ name: 'w', shape: [1, 3] }]),
    regression,
    /layout\.tensors\[0\]: got w \[1, 3\]; accepted: w \[3\]/,
  ],
  [
    'a layout of other names',
    'initialize',
    initial([{ name: 'v', shape: [3] }]),
    regression,
    /layout\.tensors\[0\]: got v \[3\]; accepted: w \[3\]/,
  ],
  [
    'a layout that lacks a tensor',
    'initialize',
    initial([]),
    regression,
    /layout\.tensors\[0\]: got nothing; accepted: w \[3\]/,
  ],
  [
    'a layout with a tensor more',
    'initialize',
    initial([
      { name: 'w', shape: [3] },
      { name: 'v', shape: [] },
    ]),
    regression,
    /layout\.tensors\[1\]: got v \[\]; accepted: nothing/,
  ],
];

for (const [what, work, said, expected, reason] of wrong) {
  test(`${what} is refused`, () => {
    assert.throws(() => check(work, said, expected), { code: 'REQUEST_INVALID', message: reason });
  });
}

const carrying: ExpectedResult = { ...regression, carryElements: (tasks) => tasks };
const carry = (vector: readonly number[]) => ({
  bytes: bytesOfVector(Float32Array.from(vector)),
  release: () => undefined,
});

function checkCarry(said: object, carried: readonly number[], expected = carrying) {
  const message = { jobId: 'j', data: [], result: 'train', train: training(said) } as unknown as ShardResult__Output;
  const take = (sha256: Uint8Array) => (sha256[0] === 1 ? carry(carried) : payload());
  const result = checkResult(leaseOf('train'), message, take, expected, undefined);
  return result.work === 'train' ? result.carried : undefined;
}

const named = { carrySha256: Buffer.alloc(32, 1) };

test('what a shard carries is taken under its name, and may be missing where no task counts', () => {
  const taken = checkCarry(named, [4, 5]);
  assert.deepEqual([taken?.vector, taken?.sha256], [Float32Array.of(4, 5), named.carrySha256]);
  const none = { measures: rowsOf([nan, nan]), weight: 0, nonFiniteTasks: [0, 1] };
  assert.equal(checkCarry(none, []), undefined);
});

test('what a shard carries is refused where it is missing, not asked for, of another length or not finite', () => {
  const refused = (run: () => unknown, code: string, message: RegExp) => assert.throws(run, { code, message });
  refused(() => checkCarry({}, []), 'REQUEST_INVALID', /carry_sha256: got nothing; accepted: a payload of 8 bytes/);
  refused(
    () => checkCarry(named, [4, 5], regression),
    'REQUEST_INVALID',
    /carry_sha256: got a payload; accepted: nothing/,
  );
  refused(() => checkCarry(named, [4, 5, 6]), 'REQUEST_INVALID', /12/);
  refused(() => checkCarry(named, [4, nan]), 'RESULT_NOT_FINITE', /what the shard carries/);
});

test("a result may name data by the path of a user's own file, and no other text", () => {
  const withData = (part: string) => {
    const data = [{ name: 'image-folder', part, sha256: '0'.repeat(64) }];
    const message = { jobId: 'j', data, result: 'evaluate', evaluate: evaluation() } as unknown as ShardResult__Output;
    return checkResult(leaseOf('evaluate'), message, payload, regression, undefined).data;
  };
  for (const part of ['birds', 'birds/small', 'my birds/été 2.zip']) assert.equal(withData(part)[0]!.part, part);
  for (const part of ['', 'a\nb', '<b>', 'x'.repeat(201)]) {
    assert.throws(() => withData(part), { code: 'REQUEST_INVALID', message: /a data set without name, part or hash/ });
  }
});
