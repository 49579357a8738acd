// The one error type, and that every code has one gRPC status.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { asMetatrainError, grpcStatusOf, isErrorCode, MetatrainError } from '../../../shared/errors.ts';

test('every error code maps to a gRPC status that exists', () => {
  for (const [code, number] of Object.entries(grpcStatusOf)) {
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
    assert.ok(status[number] !== undefined, `${code} → ${number}`);
  }
});

test('the statuses that clients rely on are the documented ones', () => {
  const named = Object.fromEntries(Object.entries(grpcStatusOf).map(([code, number]) => [code, status[number]]));
  assert.deepEqual(named, {
    REQUEST_INVALID: 'INVALID_ARGUMENT',
    DEADLINE_EXCEEDED: 'DEADLINE_EXCEEDED',
    JOB_UNKNOWN: 'NOT_FOUND',
    CHECKPOINT_UNKNOWN: 'NOT_FOUND',
    SHARD_UNKNOWN: 'NOT_FOUND',
    ADAPTED_UNKNOWN: 'NOT_FOUND',
    JOB_EXISTS: 'ALREADY_EXISTS',
    FORBIDDEN: 'PERMISSION_DENIED',
    QUEUE_FULL: 'RESOURCE_EXHAUSTED',
    OUT_OF_MEMORY: 'RESOURCE_EXHAUSTED',
    DISK_FULL: 'RESOURCE_EXHAUSTED',
    WORKER_FENCED: 'FAILED_PRECONDITION',
    PROTOCOL_MISMATCH: 'FAILED_PRECONDITION',
    JOB_NOT_RUNNING: 'FAILED_PRECONDITION',
    JOB_NOT_ENDED: 'FAILED_PRECONDITION',
    DATA_SET_MISSING: 'FAILED_PRECONDITION',
    DATA_SET_DIFFERS: 'FAILED_PRECONDITION',
    DEVICE_MISSING: 'FAILED_PRECONDITION',
    PROGRAM_MISSING: 'FAILED_PRECONDITION',
    PLUGIN_INVALID: 'FAILED_PRECONDITION',
    PLUGIN_DIFFERS: 'FAILED_PRECONDITION',
    LEASE_LOST: 'ABORTED',
    META_STEP_STALE: 'ABORTED',
    INTERNAL: 'INTERNAL',
    SHARD_FAILED: 'INTERNAL',
    RESULT_NOT_FINITE: 'INTERNAL',
    SHUTTING_DOWN: 'UNAVAILABLE',
    NOT_READY: 'UNAVAILABLE',
    STORAGE_UNAVAILABLE: 'UNAVAILABLE',
    ADDRESS_IN_USE: 'UNAVAILABLE',
    DATA_CORRUPT: 'DATA_LOSS',
    CHECKPOINT_CORRUPT: 'DATA_LOSS',
    CHAIN_BROKEN: 'DATA_LOSS',
    UNAUTHENTICATED: 'UNAUTHENTICATED',
  });
});

test('an error keeps its code, message, details and cause', () => {
  const cause = new Error('below');
  const error = new MetatrainError('JOB_UNKNOWN', 'no job x', { details: { jobId: 'x' }, cause });
  assert.ok(error instanceof Error);
  assert.equal(error.name, 'MetatrainError');
  assert.equal(error.code, 'JOB_UNKNOWN');
  assert.equal(error.message, 'no job x');
  assert.deepEqual(error.details, { jobId: 'x' });
  assert.equal(error.cause, cause);
  assert.equal('cause' in new MetatrainError('INTERNAL', 'x'), false);
});

test('whatever was thrown becomes one of ours: itself, or INTERNAL with the original as cause', () => {
  const ours = new MetatrainError('QUEUE_FULL', 'full');
  assert.equal(asMetatrainError(ours), ours);
  const foreign = new TypeError('not a function');
  const translated = asMetatrainError(foreign);
  assert.equal(translated.code, 'INTERNAL');
  assert.equal(translated.message, 'not a function');
  assert.equal(translated.cause, foreign);
  for (const thrown of ['text', null, 7, Object.create(null)]) assert.equal(asMetatrainError(thrown).code, 'INTERNAL');
});

test('only the codes of the list are codes', () => {
  assert.ok(isErrorCode('REQUEST_INVALID'));
  for (const other of ['', 'request_invalid', 'toString', '__proto__', 'constructor']) {
    assert.equal(isErrorCode(other), false);
  }
});
