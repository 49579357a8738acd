// Turns the error of a gRPC call into a MetatrainError, once, here. The coordinator sends its code
// in the trailing metadata. An error without this code comes from a proxy, the network or another
// program, and may be temporary. Message text is never matched.
import { type ServiceError, status } from '@grpc/grpc-js';
import { MetatrainError } from '../shared/errors.ts';
import { coordinatorsCode } from '../shared/wire.ts';

/**
 * @param address where the call went, for the message.
 * @returns with `details.address`; without the coordinator's own code `NOT_READY` or `DEADLINE_EXCEEDED`, with gRPC's status in
 *   `details.status` and its words in `details.reason`.
 */
export function fromGrpcError(thrown: unknown, address: string): MetatrainError {
  if (thrown instanceof MetatrainError) return thrown;
  if (!isServiceError(thrown)) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new MetatrainError('INTERNAL', message, { details: { address }, cause: thrown });
  }
  const named = coordinatorsCode(thrown.metadata);
  if (named) return new MetatrainError(named, thrown.details, { details: { address }, cause: thrown });
  const { code, details: reason } = thrown;
  const name = status[code] ?? String(code);
  const options = { details: { address, status: name, reason }, cause: thrown };
  switch (code) {
    case status.DEADLINE_EXCEEDED:
      return new MetatrainError('DEADLINE_EXCEEDED', `no answer from ${address} in time`, options);
    case status.UNAVAILABLE:
      return new MetatrainError('NOT_READY', `no coordinator answers at ${address}: ${reason}`, options);
    default:
      return new MetatrainError(
        'NOT_READY',
        `the call to ${address} ended with ${name} (${reason}), which is not an answer of a coordinator of this version: ` +
          'another program listens there, or a proxy in between answered',
        options,
      );
  }
}

/** True if the error may come from the network alone: then `whyUnreachable` may know more. */
export const isUnreachable = ({ details }: MetatrainError): boolean => details.status === 'UNAVAILABLE';

/**
 * True for an error that a retry may fix: the connection or the coordinator is gone, the call
 * reached its deadline, or the answer is not from the coordinator.
 */
export function isTransient(error: MetatrainError): boolean {
  return error.code === 'NOT_READY' || error.code === 'SHUTTING_DOWN' || error.code === 'DEADLINE_EXCEEDED';
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && typeof (thrown as Partial<ServiceError>).code === 'number' && 'details' in thrown;
}
