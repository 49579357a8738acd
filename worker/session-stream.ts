// One gRPC stream to the coordinator, on a channel of its own: opened, listened to, dropped. A channel is never used again, so that
// the back-off is the session's and not gRPC's.
import { type StatusObject, status } from '@grpc/grpc-js';
import { type Connection, connectionTo } from '../shared/connection.ts';
import type { CoordinatorMessage__Output } from '../shared/gen/metatrain/v1/CoordinatorMessage.ts';
import { channelOptions, coordinatorsCode, WorkerService } from '../shared/wire.ts';
import type { WritableMessages } from './session-outbox.ts';
import type { StreamEnd } from './session-state.ts';

export interface StreamListener {
  onMessage(message: CoordinatorMessage__Output): void;
  /** Once, unless the stream was dropped. */
  onEnd(end: StreamEnd): void;
}

export interface CoordinatorStream extends WritableMessages {
  /** Cancels the call and closes the channel; nothing is heard of it any more. May be called twice. */
  drop(): void;
}

export type OpenStream = (listener: StreamListener) => CoordinatorStream;

/** @param address HOST:PORT. */
export function streamsTo(address: string, connection: Connection = connectionTo(address)): OpenStream {
  const { credentials, interceptors, whyUnreachable } = connection;
  return (listener) => {
    const hasOtherToken = connection.noteToken();
    const client = new WorkerService(address, credentials, {
      ...channelOptions,
      ...connection.channelOptions,
      interceptors,
    });
    const call = client.connect();
    let isHeard = false;
    let isEnded = false;
    let isDropped = false;
    const close = () => {
      isEnded = true;
      call.cancel();
      client.close();
    };
    call.on('data', (message: CoordinatorMessage__Output) => {
      isHeard = true;
      if (!isEnded) listener.onMessage(message);
    });
    // A failed call says so twice, as an error and as a status; the status comes for every call.
    call.on('error', () => {});
    call.on('status', async ({ code, details, metadata }: StatusObject) => {
      if (isEnded) return;
      close();
      const isFromCoordinator = coordinatorsCode(metadata) !== undefined;
      // A stream that worked is not looked into: the session connects again at once.
      const isUnreachable = code === status.UNAVAILABLE && !isFromCoordinator && !isHeard;
      const why = isUnreachable ? await whyUnreachable() : undefined;
      if (isDropped) return;
      const message = why ?? (isFromCoordinator ? details : inBetween(code, details));
      // The token has expired or was withdrawn, and its file holds the next one already.
      const isRenewed = code === status.UNAUTHENTICATED && hasOtherToken();
      listener.onEnd({ code: status[code] ?? 'UNKNOWN', message, isFromCoordinator, isRenewed });
    });
    return {
      write: (message) => call.write(message),
      once: (event, callback) => call.once(event, callback),
      end: () => call.end(),
      drop() {
        isDropped = true;
        close();
      },
    };
  };
}

/** What a status means that is not the coordinator's own. */
function inBetween(code: status, details: string): string {
  if (code === status.OK) return 'the coordinator closed the stream';
  return code === status.UNAVAILABLE
    ? details
    : `${details}; something between here and the coordinator ended the stream`;
}
