// How a stream's messages are written no faster than they are read, how a silent stream shows that it
// is alive, and how open streams are ended with the coordinator.
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Clock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import { signOfLifeMs } from '../../shared/wire.ts';
import { toServiceError } from './status.ts';

/** Waits until what was written has been read, or the call is over. */
export function drained(call: ServerWritableStream<unknown, unknown>, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (over.aborted) return resolve();
    const done = () => {
      call.off('drain', done);
      over.removeEventListener('abort', done);
      resolve();
    };
    call.on('drain', done);
    over.addEventListener('abort', done);
  });
}

/** What a stream of events sends between them: a message without a sequence. */
const signOfLife = { sequence: 0 };

/**
 * Writes a sign of life at once, so that the reader knows that the stream is accepted, and then
 * regularly, so that a proxy does not take it for a dead one. A reader that does not read gets none.
 *
 * @returns ends it
 */
export function sendSignsOfLife(
  call: Pick<ServerWritableStream<unknown, typeof signOfLife>, 'write' | 'writableNeedDrain'>,
  clock: Clock,
): () => void {
  call.write(signOfLife);
  return clock.every(signOfLifeMs, () => {
    if (!call.writableNeedDrain) call.write(signOfLife);
  });
}

/** Streams that would outlive the coordinator's close. */
export class OpenStreams {
  readonly #open = new Set<AbortController>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Writes what `messagesUntil` yields, one when the one before has been read, and ends the call with it. What it throws becomes the call's status. */
  async pour<Message>(
    call: ServerWritableStream<unknown, Message>,
    messagesUntil: (over: AbortSignal) => AsyncIterable<Message>,
  ): Promise<void> {
    const over = new AbortController();
    call.on('cancelled', () => over.abort());
    this.#open.add(over);
    try {
      for await (const message of messagesUntil(over.signal)) {
        if (!call.write(message)) await drained(call, over.signal);
      }
      if (over.signal.reason instanceof MetatrainError) throw over.signal.reason;
      call.end();
    } catch (thrown) {
      call.emit('error', toServiceError(thrown, this.#log));
    } finally {
      this.#open.delete(over);
    }
  }

  close(error: MetatrainError): void {
    for (const over of this.#open) over.abort(error);
  }
}
