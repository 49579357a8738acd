// Errors on their way out: a MetatrainError becomes its gRPC status in this one place, with its code in the trailing metadata
// (`metatrain-code`) for clients that want more than the status. Anything else is our bug: logged whole, told as INTERNAL without detail.
import { type handleUnaryCall, Metadata, type ServiceError, type sendUnaryData } from '@grpc/grpc-js';
import { grpcStatusOf, MetatrainError } from '../../shared/errors.ts';
import { boundText } from '../../shared/foreign-text.ts';
import type { Logger } from '../../shared/log.ts';
import { codeMetadataKey } from '../../shared/wire.ts';
import type { Caller } from '../access/authentication.ts';
import { callerOf } from './caller.ts';

/**
 * HTTP/2 peers limit headers to some 8 to 16 KiB, and a status message is one: percent-encoded, with
 * three bytes for one of UTF-8.
 */
const maxEncodedBytes = 7_500;

export function toServiceError(thrown: unknown, log: Logger): ServiceError {
  let error: MetatrainError;
  if (thrown instanceof MetatrainError) {
    error = thrown;
  } else {
    log.error({ err: thrown }, 'a call failed by our own mistake');
    error = new MetatrainError('INTERNAL', 'internal error; the coordinator has logged it');
  }
  const { code, message } = error;
  const details = statusText(message);
  const metadata = new Metadata();
  metadata.set(codeMetadataKey, code);
  return Object.assign(new Error(details), { code: grpcStatusOf[code] as number, details, metadata });
}

/** Well-formed, since half a character cannot be percent-encoded. */
function statusText(message: string): string {
  const text = Buffer.from(message).toString();
  return encodeURI(text).length <= maxEncodedBytes ? text : boundText(text, maxEncodedBytes / 3);
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
