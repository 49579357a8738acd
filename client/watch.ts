// Follows events over several streams. After a lost stream, or a stream that reached its deadline,
// it opens a new one after the last event. So the caller gets every event once and in order, until
// there are no more.
import type { ClusterEvent } from '../shared/cluster-event.ts';
import type { ClusterEvent__Output } from '../shared/gen/metatrain/v1/ClusterEvent.ts';
import type { JobEvent__Output } from '../shared/gen/metatrain/v1/JobEvent.ts';
import { Patience, type PatienceOptions, type Time } from './patience.ts';
import { clusterEventFromWire, eventFromWire, hasEnded, type JobEvent } from './records.ts';

interface Source<Message> extends Time {
  /** One stream: the events after `afterSequence`. Ends when there are no more, or the stream has lasted long enough. @throws MetatrainError */
  open(afterSequence: number): AsyncIterable<Message>;
  /** Called when a stream has ended without an error. @throws MetatrainError */
  isOver(): Promise<boolean>;
}

export type WatchSource = Source<JobEvent__Output>;

export interface WatchOptions extends PatienceOptions {
  /** Only events with a greater sequence. Default 0: all that are kept. */
  readonly afterSequence?: number;
}

/** @throws MetatrainError of the last stream, when no retry can mend it or the coordinator stays away for `giveUpAfterMs`. */
export async function* followJob(source: WatchSource, options: WatchOptions = {}): AsyncGenerator<JobEvent, void> {
  for await (const message of resume(source, options)) {
    const event = eventFromWire(message);
    if (!event) continue;
    yield event;
    if (event.kind === 'stateChanged' && hasEnded(event.state)) return;
  }
}

/** Follows the cluster's events in the same way. */
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
  const patience = new Patience(source, options);
  let afterSequence = options.afterSequence ?? 0;
  for (;;) {
    try {
      for await (const message of source.open(afterSequence)) {
        patience.heard();
        // An earlier event, or an empty message.
        if (message.sequence <= afterSequence) continue;
        afterSequence = message.sequence;
        yield message;
      }
      // A stopping coordinator ends its streams as well, so ask whether the job is over.
      if (await source.isOver()) return;
    } catch (thrown) {
      await patience.failed(thrown);
      continue;
    }
    patience.heard();
    await patience.pause();
  }
}
