// Keeps a page live: loads it, follows the stream, and reconnects with growing pauses. A hidden
// page closes its stream, since a browser allows only a few connections to one host. Shows the
// state of the connection at the top of the page.
import type { ClusterEvent } from '../shared/cluster-event.ts';
import type { JobEvent } from '../shared/http-api.ts';
import { ApiFailure, type Streamed, stream } from './api.ts';
import { after } from './clock.ts';
import { byId, h, put } from './dom.ts';

const firstRetryMs = 1_000;
const lastRetryMs = 10_000;

export interface Live<Event extends ClusterEvent | JobEvent> {
  readonly path: string;
  /** Called before each stream: the page is filled again. */
  load(signal: AbortSignal): Promise<void>;
  take(item: Streamed<Event>): void;
  /** Called when the coordinator refuses: the page cannot continue. */
  refused(failure: ApiFailure): void;
}

/** Runs until the stream is over or the coordinator refuses. */
export async function keepLive<Event extends ClusterEvent | JobEvent>({
  path,
  load,
  take,
  refused,
}: Live<Event>): Promise<void> {
  let retryMs = firstRetryMs;
  for (;;) {
    await untilVisible();
    const leave = new AbortController();
    const hide = () => document.hidden && leave.abort();
    document.addEventListener('visibilitychange', hide);
    try {
      await load(leave.signal);
      for await (const item of stream<Event>(path, leave.signal)) {
        if (item.kind === 'end') {
          const { error } = item.data;
          if (!error) {
            showConnection('over');
            return;
          }
          throw new ApiFailure(error);
        }
        showConnection('live');
        retryMs = firstRetryMs;
        take(item);
      }
    } catch (thrown) {
      if (!leave.signal.aborted) {
        if (!(thrown instanceof ApiFailure)) throw thrown;
        if (!isPassing(thrown)) {
          showConnection('over');
          refused(thrown);
          return;
        }
      }
    } finally {
      document.removeEventListener('visibilitychange', hide);
    }
    if (leave.signal.aborted) continue;
    await waitToRetry(retryMs);
    retryMs = Math.min(2 * retryMs, lastRetryMs);
  }
}

/** Unreachable, closing or too busy: a retry may succeed. */
const isPassing = ({ code }: ApiFailure): boolean =>
  ['UNREACHABLE', 'SHUTTING_DOWN', 'NOT_READY', 'QUEUE_FULL', 'INTERNAL'].includes(code);

async function untilVisible(): Promise<void> {
  while (document.hidden) {
    await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
  }
}

function waitToRetry(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      stopWaiting();
      removeEventListener('online', go);
      resolve();
    };
    const stopWaiting = after(delayMs, go);
    addEventListener('online', go);
    tryNow = go;
    showConnection('gone');
  });
}

let tryNow = () => {};

function showConnection(how: 'live' | 'gone' | 'over'): void {
  const place = byId('connection');
  if (place.dataset.how === how) return;
  place.dataset.how = how;
  document.body.classList.toggle('is-stale', how === 'gone');
  const dot = h('span', { class: 'dot' });
  if (how === 'live') put(place, dot, 'Live');
  else if (how === 'over') put(place);
  else {
    const button = h('button', { class: 'plain', type: 'button', onclick: () => tryNow() }, 'Try now');
    put(place, dot, 'The coordinator does not answer; trying again. ', button);
  }
}
