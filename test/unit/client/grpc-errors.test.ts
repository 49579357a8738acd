// Whatever a gRPC call rejects with, as one error of ours.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { fromGrpcError, isTransient, isUnreachable } from '../../../client/grpc-errors.ts';
import { type ErrorCode, grpcStatusOf, MetatrainError } from '../../../shared/errors.ts';
import { codeMetadataKey } from '../../../shared/wire.ts';

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

test('a status without a code of the coordinator may pass, whatever the status: a proxy or the network made it', () => {
  for (const code of [1, 2, 3, 5, 7, 8, 9, 11, 12, 13, 15, 16] as const) {
    for (const named of [undefined, 'A_CODE_OF_TOMORROW']) {
      const error = fromGrpcError(serviceError(code, 'Received HTTP status code 403', named), address);
      assert.equal(error.code, 'NOT_READY');
      assert.equal(isTransient(error), true);
      assert.equal(isUnreachable(error), false);
      const words = `the call to 10.0.0.1:7420 ended with ${status[code]} (Received HTTP status code 403), which is not an answer of a coordinator`;
      assert.ok(error.message.startsWith(words), error.message);
      assert.deepEqual(error.details, { address, status: status[code], reason: 'Received HTTP status code 403' });
    }
  }
});

test('nobody there and no answer in time are told apart, each with the address', () => {
  const away = fromGrpcError(serviceError(status.UNAVAILABLE, 'ECONNREFUSED'), address);
  assert.equal(away.code, 'NOT_READY');
  assert.equal(away.message, `no coordinator answers at ${address}: ECONNREFUSED`);
  assert.equal(isUnreachable(away), true);

  const stopping = fromGrpcError(serviceError(status.UNAVAILABLE, 'shutting down', 'SHUTTING_DOWN'), address);
  assert.equal(stopping.code, 'SHUTTING_DOWN');
  assert.equal(isUnreachable(stopping), false, 'a coordinator that answers is not unreachable');

  const late = fromGrpcError(serviceError(status.DEADLINE_EXCEEDED, 'Deadline exceeded after 10s'), address);
  assert.equal(late.message, `no answer from ${address} in time`);
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
