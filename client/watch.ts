// Follows one job's events over as many streams as it takes. A stream that is lost, or that outlives its own deadline, is opened
// again after the last event seen, so that the caller gets every event once, in order, until the job has ended.

import { asMetatrainError } from '../shared/errors.ts';
import type { JobEvent__Output } from '../shared/gen/metatrain/v1/JobEvent.ts';
import { isTransient } from './grpc-errors.ts';
import { eventFromWire, hasEnded, type JobEvent } from './records.ts';

export interface WatchSource {
  /** One stream: the events after `afterSequence`. Ends when the job has ended, or the stream has lasted long enough. @throws MetatrainError */
  open(afterSequence: number): AsyncIterable<JobEvent__Output>;
  /** Asked when a stream has ended without saying why. @throws MetatrainError */
  hasJobEnded(): Promise<boolean>;
  /** Waits; rejects when the caller aborts. */
  delay(delayMs: number): Promise<void>;
  now(): number;
}

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
  const giveUpAfterMs = options.giveUpAfterMs ?? 60_000;
  let afterSequence = options.afterSequence ?? 0;
  let failingSince: number | undefined;
  let retryMs = firstRetryMs;
  for (;;) {
    try {
      for await (const wireEvent of source.open(afterSequence)) {
        failingSince = undefined;
        retryMs = firstRetryMs;
        if (wireEvent.sequence <= afterSequence) continue;
        afterSequence = wireEvent.sequence;
        const event = eventFromWire(wireEvent);
        if (!event) continue;
        yield event;
        if (event.kind === 'stateChanged' && hasEnded(event.state)) return;
      }
      // A stopping coordinator ends its streams too: only the job's state tells.
      if (await source.hasJobEnded()) return;
      failingSince = undefined;
    } catch (thrown) {
      failingSince ??= source.now();
      if (!isTransient(asMetatrainError(thrown)) || source.now() - failingSince >= giveUpAfterMs) throw thrown;
    }
    await source.delay(retryMs);
    retryMs = Math.min(retryMs * 2, longestRetryMs);
  }
}
