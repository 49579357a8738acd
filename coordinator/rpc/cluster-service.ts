// ClusterService: the cluster as its operators see it, and what happens in it.
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Clock } from '../../shared/clock.ts';
import type { ClusterEvent } from '../../shared/cluster-event.ts';
import { sequenceOf } from '../../shared/cluster-event.ts';
import type { MetatrainError } from '../../shared/errors.ts';
import type { ClusterEvent as ClusterEventMessage } from '../../shared/gen/metatrain/v1/ClusterEvent.ts';
import type { ClusterServiceHandlers } from '../../shared/gen/metatrain/v1/ClusterService.ts';
import type { ListWorkersResponse } from '../../shared/gen/metatrain/v1/ListWorkersResponse.ts';
import type { WatchEventsRequest__Output } from '../../shared/gen/metatrain/v1/WatchEventsRequest.ts';
import type { WorkerInfo } from '../../shared/gen/metatrain/v1/WorkerInfo.ts';
import type { WorkerState as WorkerStateMessage } from '../../shared/gen/metatrain/v1/WorkerState.ts';
import type { Logger } from '../../shared/log.ts';
import { workerState } from '../core/census.ts';
import type { WorkerState } from '../core/state.ts';
import { invalidField } from '../job-requests.ts';
import type { JobBook } from '../jobs/job-book.ts';
import { fillPage } from '../jobs/page.ts';
import type { Runner } from '../runner/runner.ts';
import type { EventLog } from '../store/event-log.ts';
import { hasEnded } from '../store/job-record.ts';
import type { WorkerView } from '../workers/worker-links.ts';
import { timestamp } from './job-messages.ts';
import { unary } from './status.ts';
import { OpenStreams, sendSignsOfLife } from './streaming.ts';

interface ClusterServiceDependencies {
  readonly runner: Runner;
  readonly book: JobBook;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A cluster service and the way to end its open watches, which would otherwise outlive the coordinator's close. */
export function clusterService({ runner, book, events, clock, log }: ClusterServiceDependencies): {
  readonly handlers: ClusterServiceHandlers;
  close(error: MetatrainError): void;
} {
  const watches = new OpenStreams(log);
  return {
    handlers: {
      ListWorkers: unary(log, ({ pageToken }) => listWorkers(runner.workers(), pageToken)),
      WatchEvents: (call) => void watches.pour(call, (over) => watchEvents(call, { book, events, clock }, over)),
    },
    close: (error) => watches.close(error),
  };
}

/**
 * @param pageToken number of the last stream on the page before. @throws MetatrainError
 * `REQUEST_INVALID`
 */
function listWorkers(views: readonly WorkerView[], pageToken: string): ListWorkersResponse {
  const after = pageToken === '' ? 0 : Number(pageToken);
  if (!(after >= 0)) throw invalidField('page_token', JSON.stringify(pageToken), 'the next_page_token of another page');
  const rest = views
    .filter(({ link }) => link.connection > after)
    .sort((a, b) => a.link.connection - b.link.connection);
  const { items, hasMore } = fillPage(rest, Number.POSITIVE_INFINITY, workerBytes);
  const last = items.at(-1)?.link.connection;
  return { workers: items.map(workerMessage), nextPageToken: hasMore && last !== undefined ? String(last) : '' };
}

/** About what a worker takes in a list: its other texts are bounded far below this. */
const workerBytes = ({ idleReason }: WorkerView): number => 4_096 + Buffer.byteLength(idleReason);

/** @throws MetatrainError `JOB_UNKNOWN`, `QUEUE_FULL` */
async function* watchEvents(
  call: ServerWritableStream<WatchEventsRequest__Output, ClusterEventMessage>,
  { book, events, clock }: Pick<ClusterServiceDependencies, 'book' | 'events' | 'clock'>,
  signal: AbortSignal,
): AsyncGenerator<ClusterEventMessage, void> {
  const { afterSequence: after, since, jobId, noFollow } = call.request;
  if (jobId !== '') book.record(jobId);
  const isOver = jobId !== '' && book.isOver(jobId);
  const isFollowing = !(noFollow || isOver);
  const options = {
    after,
    isFollowing,
    signal,
    ...(since && { since: since.seconds * 1_000 + since.nanos / 1e6 }),
    ...(jobId !== '' && { jobId }),
  };
  const stopSigns = isFollowing ? sendSignsOfLife(call, clock) : () => {};
  try {
    for await (const event of events.follow(options)) {
      yield clusterEventMessage(event);
      if (jobId !== '' && event.type === 'metatrain.v1.job.state_changed' && hasEnded(event.data.state)) return;
    }
  } finally {
    stopSigns();
  }
}

function clusterEventMessage(event: ClusterEvent): ClusterEventMessage {
  const { id, source, type, subject, time, data } = event;
  const sequence = sequenceOf(event);
  return { sequence, time: timestamp(Date.parse(time)), id, source, type, subject, data: JSON.stringify(data) };
}

function workerMessage(view: WorkerView): WorkerInfo {
  const { link, worker, shardsCompleted, resultsRejected, data, lastSeenAt, idleReason } = view;
  return {
    workerId: link.workerId,
    state: stateMessages[workerState(worker)],
    address: link.address,
    engineFingerprint: link.fingerprint,
    slots: link.slots,
    leases: worker.leases.size,
    shardsCompleted,
    connectedAt: timestamp(link.connectedAt),
    lastHeartbeatAt: timestamp(lastSeenAt),
    idleReason,
    version: link.version,
    resultsRejected,
    engine: link.engine,
    device: link.device,
    data: [...data],
    plugins: [...link.plugins],
  };
}

const stateMessages = {
  idle: 'WORKER_STATE_IDLE',
  busy: 'WORKER_STATE_BUSY',
  draining: 'WORKER_STATE_DRAINING',
  quarantined: 'WORKER_STATE_QUARANTINED',
} as const satisfies Record<WorkerState, WorkerStateMessage>;
