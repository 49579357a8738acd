// Whatever a gRPC call rejects with, as one error of ours.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { codeMetadataKey, fromGrpcError, isTransient } from '../../../client/grpc-errors.ts';
import { type ErrorCode, grpcStatusOf, MetatrainError } from '../../../shared/errors.ts';

function serviceError(code: status, details: string, named?: string): ServiceError {
  const metadata = new Metadata();
  if (named !== undefined) metadata.set(codeMetadataKey, named);
  return Object.assign(new Error(`${code} ${details}`), { code, details, metadata });
}

const address = '10.0.0.1:7420';

test('every code that a coordinator names comes through with its message, whatever the status', () => {
  for (const code of Object.keys(grpcStatusOf) as ErrorCode[]) {
    const cause = serviceError(grpcStatusOf[code], 'what was wrong', code);
    const error = fromGrpcError(cause, address);
    assert.equal(error.code, code);
    assert.equal(error.message, 'what was wrong');
    assert.deepEqual(error.details, { address });
    assert.equal(error.cause, cause);
  }
});

test('without a name, or with one that we do not know, the status decides', () => {
  const cases: readonly (readonly [status, ErrorCode])[] = [
    [status.INVALID_ARGUMENT, 'REQUEST_INVALID'],
    [status.NOT_FOUND, 'JOB_UNKNOWN'],
    [status.ALREADY_EXISTS, 'JOB_EXISTS'],
    [status.PERMISSION_DENIED, 'FORBIDDEN'],
    [status.UNAUTHENTICATED, 'UNAUTHENTICATED'],
    [status.RESOURCE_EXHAUSTED, 'QUEUE_FULL'],
    [status.FAILED_PRECONDITION, 'JOB_NOT_RUNNING'],
    [status.DATA_LOSS, 'DATA_CORRUPT'],
    [status.INTERNAL, 'INTERNAL'],
    [status.UNKNOWN, 'INTERNAL'],
  ];
  for (const [code, expected] of cases) {
    assert.equal(fromGrpcError(serviceError(code, 'said'), address).code, expected);
    assert.equal(fromGrpcError(serviceError(code, 'said', 'A_CODE_OF_TOMORROW'), address).code, expected);
    assert.equal(fromGrpcError(serviceError(code, 'said'), address).message, 'said');
  }
});

test('nobody there, no answer in time, and somebody else there are told apart, each with the address', () => {
  const away = fromGrpcError(serviceError(status.UNAVAILABLE, 'ECONNREFUSED'), address);
  assert.equal(away.code, 'NOT_READY');
  assert.equal(away.message, `no coordinator answers at ${address}`);
  assert.deepEqual(away.details, { address, unreachable: true, reason: 'ECONNREFUSED' });

  const stopping = fromGrpcError(serviceError(status.UNAVAILABLE, 'shutting down', 'SHUTTING_DOWN'), address);
  assert.equal(stopping.code, 'SHUTTING_DOWN');
  assert.equal(stopping.details.unreachable, undefined, 'a coordinator that answers is not unreachable');

  const late = fromGrpcError(serviceError(status.DEADLINE_EXCEEDED, 'Deadline exceeded after 10s'), address);
  assert.equal(late.message, `no answer from ${address} in time`);

  const other = fromGrpcError(serviceError(status.UNIMPLEMENTED, 'unknown service'), address);
  assert.equal(other.code, 'PROTOCOL_MISMATCH');
  assert.match(other.message, /what answers at 10\.0\.0\.1:7420 is no MetaTrain coordinator of this version/);
});

test('an error of ours stays itself; a bug stays a bug', () => {
  const ours = new MetatrainError('CHECKPOINT_CORRUPT', 'cut short');
  assert.equal(fromGrpcError(ours, address), ours);
  const bug = new TypeError('x is not a function');
  assert.equal(fromGrpcError(bug, address).code, 'INTERNAL');
  assert.equal(fromGrpcError(bug, address).cause, bug);
  assert.equal(fromGrpcError('a text', address).message, 'a text');
});

test('only what another try may mend is transient', () => {
  const transient = (Object.keys(grpcStatusOf) as ErrorCode[]).filter((code) =>
    isTransient(new MetatrainError(code, '')),
  );
  assert.deepEqual(transient.sort(), ['DEADLINE_EXCEEDED', 'NOT_READY', 'SHUTTING_DOWN']);
});
