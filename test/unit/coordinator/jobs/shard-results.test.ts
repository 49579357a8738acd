// What a worker says is held against the lease and the job file: whatever the job file did not ask for
// is refused by field.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Lease, WorkKind } from '../../../../coordinator/core/state.ts';
import { checkResult, type ExpectedResult } from '../../../../coordinator/jobs/shard-results.ts';
import type { ShardResult__Output } from '../../../../shared/gen/metatrain/v1/ShardResult.ts';
import { bytesOfVector } from '../../../../shared/tensor-codec.ts';

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const regression: ExpectedResult = { parameters: 3, isClassification: false, innerSteps: 2 };
const classification: ExpectedResult = { ...regression, isClassification: true };

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

const evaluation = (changes: object = {}) => ({
  lossByInnerStep: losses,
  accuracyByInnerStep: [],
  innerSteps: 2,
  ...changes,
});
const classified = (changes: object = {}) => evaluation({ accuracyByInnerStep: accuracies, ...changes });
const training = (changes: object = {}) => ({
  payloadSha256: Buffer.alloc(32),
  queryLoss: [1, 2],
  queryAccuracy: [],
  nonFiniteTasks: [],
  ...changes,
});
const initial = (tensors: object[]) => ({ layout: { tensors }, payloadSha256: Buffer.alloc(32) });

test('results that are what the job file asks for are taken, diverged tasks among them', () => {
  check('evaluate', evaluation(), regression);
  check('evaluate', evaluation({ lossByInnerStep: [1, nan, infinity, 4, 5, 6] }), regression);
  check('evaluate', classified(), classification);
  check('train', training(), regression);
  check('train', training({ queryLoss: [1, nan], nonFiniteTasks: [1] }), regression);
  check('train', training({ queryAccuracy: [0, 1] }), classification);
  check('initialize', initial([{ name: 'w', shape: [3] }]), regression);
});

const wrong: readonly (readonly [what: string, work: WorkKind, said: object, expected: ExpectedResult, RegExp])[] = [
  [
    'fewer inner steps',
    'evaluate',
    evaluation({ innerSteps: 1, lossByInnerStep: [1, 2, 3, 4] }),
    regression,
    /inner_steps: got 1; accepted: 2/,
  ],
  [
    'too few losses',
    'evaluate',
    evaluation({ lossByInnerStep: [1, 2, 3] }),
    regression,
    /loss_by_inner_step: got 3 values; accepted: 6/,
  ],
  [
    'a loss beyond float32',
    'evaluate',
    evaluation({ lossByInnerStep: [1, 2, 3, 4, 5, 1e300] }),
    regression,
    /loss_by_inner_step: got 1e\+300 at 5; accepted: float32 values/,
  ],
  [
    'accuracies of a regression',
    'evaluate',
    classified(),
    regression,
    /accuracy_by_inner_step: got 6 values; accepted: 0/,
  ],
  [
    'a classification without accuracies',
    'evaluate',
    evaluation(),
    classification,
    /accuracy_by_inner_step: got 0 values; accepted: 6/,
  ],
  [
    'an accuracy above 1',
    'evaluate',
    classified({ accuracyByInnerStep: [0, 0, 1e300, 0, 0, 0] }),
    classification,
    /accuracy_by_inner_step: got 1e\+300 at 2; accepted: 0 to 1/,
  ],
  [
    'an accuracy that is no number',
    'evaluate',
    classified({ accuracyByInnerStep: [0, 0, 0, 0, 0, nan] }),
    classification,
    /accuracy_by_inner_step: got NaN at 5; accepted: 0 to 1/,
  ],
  [
    'a NaN query loss of a task that is counted',
    'train',
    training({ queryLoss: [nan, 2] }),
    regression,
    /query_loss: got NaN at 0; accepted: finite values, except of non_finite_tasks/,
  ],
  [
    'an infinite query loss beside a task left out',
    'train',
    training({ queryLoss: [nan, infinity], nonFiniteTasks: [0] }),
    regression,
    /query_loss: got Infinity at 1/,
  ],
  [
    'query accuracies of a regression',
    'train',
    training({ queryAccuracy: [0, 1] }),
    regression,
    /query_accuracy: got 2 values; accepted: 0/,
  ],
  [
    'a negative query accuracy',
    'train',
    training({ queryAccuracy: [0, -1] }),
    classification,
    /query_accuracy: got -1 at 1; accepted: 0 to 1/,
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
    /layout: got 4 parameters; accepted: 3, which the model of the job file has/,
  ],
  [
    'a layout of long names',
    'initialize',
    initial([{ name: 'w'.repeat(201), shape: [3] }]),
    regression,
    /layout: got a long name or shape; accepted: names of 200 bytes/,
  ],
];

for (const [what, work, said, expected, reason] of wrong) {
  test(`${what} is refused`, () => {
    assert.throws(() => check(work, said, expected), { code: 'REQUEST_INVALID', message: reason });
  });
}
