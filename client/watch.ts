// Follows events over as many streams as it takes. A stream that is lost, or that outlives its own deadline, is opened again after the last
// event seen, so that the caller gets every event once, in order, until there are no more.

import type { ClusterEvent } from '../shared/cluster-event.ts';
import { asMetatrainError } from '../shared/errors.ts';
import type { ClusterEvent__Output } from '../shared/gen/metatrain/v1/ClusterEvent.ts';
import type { JobEvent__Output } from '../shared/gen/metatrain/v1/JobEvent.ts';
import { isTransient } from './grpc-errors.ts';
import { clusterEventFromWire, eventFromWire, hasEnded, type JobEvent } from './records.ts';

interface Source<Message> {
  /** One stream: the events after `afterSequence`. Ends when there are no more, or the stream has lasted long enough. @throws MetatrainError */
  open(afterSequence: number): AsyncIterable<Message>;
  /** Asked when a stream has ended without saying why. @throws MetatrainError */
  isOver(): Promise<boolean>;
  /** Waits; rejects when the caller aborts. */
  delay(delayMs: number): Promise<void>;
  /** Milliseconds since some moment. */
  now(): number;
}

export type WatchSource = Source<JobEvent__Output>;

export interface WatchOptions {
  /** Only events with a greater sequence. Default 0: all that are kept. */
  readonly afterSequence?: number;
  /** How long to keep trying while the coordinator does not answer. Default 60,000 ms. */
  readonly giveUpAfterMs?: number;
}

const firstRetryMs = 100;
const longestRetryMs = 5_000;

/** @throws MetatrainError of the last stream, when no retry can mend it or the coordinator stays away for `giveUpAfterMs`. */
export async function* followJob(source: WatchSource, options: WatchOptions = {}): AsyncGenerator<JobEvent, void> {
  for await (const message of resume(source, options)) {
    const event = eventFromWire(message);
    if (!event) continue;
    yield event;
    if (event.kind === 'stateChanged' && hasEnded(event.state)) return;
  }
}

/** The same for the cluster's events. */
export async function* followEvents(
  source: Source<ClusterEvent__Output>,
  options: WatchOptions = {},
): AsyncGenerator<ClusterEvent, void> {
  for await (const message of resume(source, options)) yield clusterEventFromWire(message);
}

async function* resume<Message extends { readonly sequence: number }>(
  source: Source<Message>,
  options: WatchOptions,
): AsyncGenerator<Message, void> {
  const giveUpAfterMs = options.giveUpAfterMs ?? 60_000;
  let afterSequence = options.afterSequence ?? 0;
  let failingSince: number | undefined;
  let retryMs = firstRetryMs;
  for (;;) {
    try {
      for await (const message of source.open(afterSequence)) {
        failingSince = undefined;
        retryMs = firstRetryMs;
        if (message.sequence <= afterSequence) continue;
        afterSequence = message.sequence;
        yield message;
      }
      // A stopping coordinator ends its streams too: only who is asked can tell.
      if (await source.isOver()) return;
      failingSince = undefined;
    } catch (thrown) {
      failingSince ??= source.now();
      if (!isTransient(asMetatrainError(thrown)) || source.now() - failingSince >= giveUpAfterMs) throw thrown;
    }
    await source.delay(retryMs);
    retryMs = Math.min(retryMs * 2, longestRetryMs);
  }
}
