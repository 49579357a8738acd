// Turns whatever a gRPC call rejects with into a MetatrainError, once, at this door. The coordinator names its code in the trailing
// metadata; without one (an older coordinator, a proxy, no coordinator at all) the gRPC status decides. Message text is never matched.
import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type ErrorCode, isErrorCode, MetatrainError } from '../shared/errors.ts';

/** Trailing metadata key under which the coordinator sends the error code. */
export const codeMetadataKey = 'metatrain-code';

const codeOfStatus: Readonly<Partial<Record<status, ErrorCode>>> = {
  [status.INVALID_ARGUMENT]: 'REQUEST_INVALID',
  [status.DEADLINE_EXCEEDED]: 'DEADLINE_EXCEEDED',
  [status.NOT_FOUND]: 'JOB_UNKNOWN',
  [status.ALREADY_EXISTS]: 'JOB_EXISTS',
  [status.PERMISSION_DENIED]: 'FORBIDDEN',
  [status.RESOURCE_EXHAUSTED]: 'QUEUE_FULL',
  [status.FAILED_PRECONDITION]: 'JOB_NOT_RUNNING',
  [status.UNIMPLEMENTED]: 'PROTOCOL_MISMATCH',
  [status.UNAVAILABLE]: 'NOT_READY',
  [status.DATA_LOSS]: 'DATA_CORRUPT',
  [status.UNAUTHENTICATED]: 'UNAUTHENTICATED',
};

/**
 * @param address where the call went, for the message.
 * @param isSecure whether the connection is encrypted: then a handshake may be what failed, and the reason is told.
 * @returns `details.address` is set, and `details.unreachable` is true when no coordinator answered at all.
 */
export function fromGrpcError(thrown: unknown, address: string, isSecure = false): MetatrainError {
  if (thrown instanceof MetatrainError) return thrown;
  if (!isServiceError(thrown)) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new MetatrainError('INTERNAL', message, { details: { address }, cause: thrown });
  }
  const named = codeIn(thrown.metadata);
  if (named) return new MetatrainError(named, thrown.details, { details: { address }, cause: thrown });
  const code = codeOfStatus[thrown.code] ?? 'INTERNAL';
  if (thrown.code === status.DEADLINE_EXCEEDED) {
    return new MetatrainError(code, `no answer from ${address} in time`, { details: { address }, cause: thrown });
  }
  if (thrown.code === status.UNAVAILABLE) {
    const why = isSecure ? `, or none that --tls-ca vouches for: ${thrown.details}` : '';
    return new MetatrainError(code, `no coordinator answers at ${address}${why}`, {
      details: { address, unreachable: !isSecure, reason: thrown.details },
      cause: thrown,
    });
  }
  if (thrown.code === status.UNIMPLEMENTED) {
    return new MetatrainError(code, `what answers at ${address} is no MetaTrain coordinator of this version`, {
      details: { address, reason: thrown.details },
      cause: thrown,
    });
  }
  return new MetatrainError(code, thrown.details || thrown.message, { details: { address }, cause: thrown });
}

/** True for a failure that another try may mend: the connection or the coordinator went away, or the call outlived its deadline. */
export function isTransient(error: MetatrainError): boolean {
  return error.code === 'NOT_READY' || error.code === 'SHUTTING_DOWN' || error.code === 'DEADLINE_EXCEEDED';
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && typeof (thrown as Partial<ServiceError>).code === 'number' && 'details' in thrown;
}

function codeIn(metadata: Metadata | undefined): ErrorCode | undefined {
  const value = metadata?.get(codeMetadataKey)[0];
  return typeof value === 'string' && isErrorCode(value) ? value : undefined;
}
