// Turns whatever a gRPC call rejects with into a MetatrainError, once, at this door. The coordinator
// names its code in the trailing metadata; an error without one comes from a proxy, the network, or
// another program, and may pass. Message text is never matched.
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

/**
 * True when nothing but the network, or nobody at all, may have answered: then `whyUnreachable` can
 * tell more.
 */
export const isUnreachable = ({ details }: MetatrainError): boolean => details.status === 'UNAVAILABLE';

/**
 * True for a failure that another try may mend: the connection or the coordinator went away, the call
 * outlived its deadline, or the answer was not the coordinator's own.
 */
export function isTransient(error: MetatrainError): boolean {
  return error.code === 'NOT_READY' || error.code === 'SHUTTING_DOWN' || error.code === 'DEADLINE_EXCEEDED';
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && typeof (thrown as Partial<ServiceError>).code === 'number' && 'details' in thrown;
}
