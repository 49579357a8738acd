// Errors on their way out: a MetatrainError becomes its gRPC status in this one place, with its code in the trailing metadata
// (`metatrain-code`) for clients that want more than the status. Anything else is our bug: logged whole, told as INTERNAL without detail.
import { type handleUnaryCall, Metadata, type ServiceError, type sendUnaryData } from '@grpc/grpc-js';
import { grpcStatusOf, MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import type { Caller } from '../authentication.ts';
import { callerOf } from './caller.ts';

/** HTTP/2 peers limit headers to some 8 to 16 KiB, and a status message is one. */
const maxMessageLength = 4_000;

export function toServiceError(thrown: unknown, log: Logger): ServiceError {
  let error: MetatrainError;
  if (thrown instanceof MetatrainError) {
    error = thrown;
  } else {
    log.error({ err: thrown }, 'a call failed by our own mistake');
    error = new MetatrainError('INTERNAL', 'internal error; the coordinator has logged it');
  }
  const { code, message } = error;
  const details = message.length > maxMessageLength ? `${message.slice(0, maxMessageLength)} …` : message;
  const metadata = new Metadata();
  metadata.set('metatrain-code', code);
  return Object.assign(new Error(details), { code: grpcStatusOf[code] as number, details, metadata });
}

/** A handler that returns or throws as the gRPC handler that answers. */
export function unary<Request, Response>(
  log: Logger,
  handle: (request: Request, caller: Caller) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
  return ({ request, metadata }, callback: sendUnaryData<Response>) => {
    Promise.resolve()
      .then(() => handle(request, callerOf(metadata)))
      .then(
        (response) => callback(null, response),
        (thrown: unknown) => callback(toServiceError(thrown, log)),
      );
  };
}
