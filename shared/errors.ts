// The error type, its closed list of codes, and their gRPC and HTTP statuses. Foreign errors are
// translated once, where they enter. Message text is never matched.

import { inspect } from 'node:util';

/** Code → gRPC status number (google.rpc.Code). */
export const grpcStatusOf = {
  REQUEST_INVALID: 3, // INVALID_ARGUMENT
  DEADLINE_EXCEEDED: 4,
  JOB_UNKNOWN: 5, // NOT_FOUND
  CHECKPOINT_UNKNOWN: 5,
  SHARD_UNKNOWN: 5,
  ADAPTED_UNKNOWN: 5,
  JOB_EXISTS: 6, // ALREADY_EXISTS
  FORBIDDEN: 7, // PERMISSION_DENIED
  QUEUE_FULL: 8, // RESOURCE_EXHAUSTED
  OUT_OF_MEMORY: 8,
  DISK_FULL: 8,
  WORKER_FENCED: 9, // FAILED_PRECONDITION
  PROTOCOL_MISMATCH: 9,
  JOB_NOT_RUNNING: 9,
  JOB_NOT_ENDED: 9,
  DATA_SET_MISSING: 9,
  DATA_SET_DIFFERS: 9,
  DEVICE_MISSING: 9,
  PROGRAM_MISSING: 9,
  PLUGIN_INVALID: 9,
  PLUGIN_DIFFERS: 9,
  LEASE_LOST: 10, // ABORTED
  META_STEP_STALE: 10,
  INTERNAL: 13,
  SHARD_FAILED: 13,
  RESULT_NOT_FINITE: 13,
  SHUTTING_DOWN: 14, // UNAVAILABLE
  NOT_READY: 14,
  STORAGE_UNAVAILABLE: 14,
  ADDRESS_IN_USE: 14,
  DATA_CORRUPT: 15, // DATA_LOSS
  CHECKPOINT_CORRUPT: 15,
  CHAIN_BROKEN: 15,
  UNAUTHENTICATED: 16,
} as const;

export type ErrorCode = keyof typeof grpcStatusOf;

/** gRPC status number → HTTP status, as google.rpc.Code maps them. */
const httpStatuses = {
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 409,
  10: 409,
  13: 500,
  14: 503,
  15: 500,
  16: 401,
} as const;

export const httpStatusOf = (code: ErrorCode) => httpStatuses[grpcStatusOf[code]];

export interface MetatrainErrorOptions {
  /** Facts for programs: the field, the value it got, the accepted values. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * An error that a user or a peer caused or must know about. A broken invariant of ours is an
 * assertion instead.
 */
export class MetatrainError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: MetatrainErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MetatrainError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(grpcStatusOf, value);
}

/** A thrown MetatrainError as it is; anything else as `INTERNAL` with the original as its cause. */
export function asMetatrainError(thrown: unknown): MetatrainError {
  if (thrown instanceof MetatrainError) return thrown;
  const message = thrown instanceof Error ? thrown.message : typeof thrown === 'string' ? thrown : inspect(thrown);
  return new MetatrainError('INTERNAL', message, { cause: thrown });
}
