// JobService: what clients submit, read, watch and download. Checks requests, asks the runner and the job book, answers.
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Clock } from '../../shared/clock.ts';
import type { MetatrainError } from '../../shared/errors.ts';
import type { CheckpointChunk } from '../../shared/gen/metatrain/v1/CheckpointChunk.ts';
import type { DownloadCheckpointRequest__Output } from '../../shared/gen/metatrain/v1/DownloadCheckpointRequest.ts';
import type { JobEvent } from '../../shared/gen/metatrain/v1/JobEvent.ts';
import type { JobServiceHandlers } from '../../shared/gen/metatrain/v1/JobService.ts';
import type { ListJobsRequest__Output } from '../../shared/gen/metatrain/v1/ListJobsRequest.ts';
import type { ListJobsResponse } from '../../shared/gen/metatrain/v1/ListJobsResponse.ts';
import type { WatchJobRequest__Output } from '../../shared/gen/metatrain/v1/WatchJobRequest.ts';
import type { Logger } from '../../shared/log.ts';
import { invalidField, type JobRequests } from '../job-requests.ts';
import type { JobBook } from '../jobs/job-book.ts';
import type { CheckpointStore } from '../store/checkpoint-store.ts';
import type { JobRecord, JobStateName } from '../store/job-record.ts';
import { checkpointMessage, eventMessage, jobMessage, stateOfMessage, summaryMessage } from './job-messages.ts';
import { toServiceError, unary } from './status.ts';
import { drained, sendSignsOfLife } from './streaming.ts';

interface JobServiceDependencies {
  readonly requests: JobRequests;
  readonly book: JobBook;
  readonly checkpoints: CheckpointStore;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A job service and the way to end its open watches, which would otherwise outlive the coordinator's close. */
export function jobService({ requests, book, checkpoints, clock, log }: JobServiceDependencies): {
  readonly handlers: JobServiceHandlers;
  close(error: MetatrainError): void;
} {
  const watches = new Set<(error: MetatrainError) => void>();
  const answer = (record: JobRecord) => jobMessage(record, requests.whyWaits(record), requests.paceOf(record));
  const handlers: JobServiceHandlers = {
    SubmitJob: unary(log, ({ spec, idempotencyKey, overrides }, caller) =>
      requests.submit(spec, idempotencyKey, caller, overrides),
    ),
    GetJob: unary(log, ({ jobId }) => answer(book.record(jobId))),
    ListJobs: unary(log, (request) => listJobs(requests, request)),
    CancelJob: unary(log, async ({ jobId }, caller) => answer(await requests.control('cancel', jobId, caller))),
    PauseJob: unary(log, async ({ jobId }, caller) => answer(await requests.control('pause', jobId, caller))),
    DeleteJob: unary(log, async ({ jobId }, caller) => {
      const { checkpoints } = await requests.delete(jobId, caller);
      return {
        checkpoints: checkpoints.length,
        checkpointBytes: checkpoints.reduce((sum, { bytes }) => sum + bytes, 0),
      };
    }),
    ResumeJob: unary(log, async ({ jobId }, caller) => answer(await requests.control('resume', jobId, caller))),
    GetShard: unary(log, ({ jobId, metaStep, shard }) => ({
      metaStep,
      shard,
      payloadSha256: book.shardHash(jobId, metaStep, shard),
    })),
    WatchJob: (call) => watchJob(call, watches, { book, clock, log }),
    DownloadCheckpoint: (call) => {
      download(call, requests, checkpoints).then(
        () => call.end(),
        (thrown: unknown) => call.emit('error', toServiceError(thrown, log)),
      );
    },
  };
  return {
    handlers,
    close(error) {
      for (const end of [...watches]) end(error);
    },
  };
}

function listJobs(requests: JobRequests, { pageSize, pageToken, states }: ListJobsRequest__Output): ListJobsResponse {
  const wanted = new Set<JobStateName>();
  for (const state of states) {
    const name = stateOfMessage(state);
    if (!name) throw invalidField('states', String(state), 'queued, running, paused, succeeded, failed or cancelled');
    wanted.add(name);
  }
  const page = requests.page({ pageSize, pageToken, states: wanted });
  const waiting = requests.waiting();
  const jobs = page.jobs.map((record) => summaryMessage(record, waiting.get(record.jobId)));
  return { jobs, nextPageToken: page.nextPageToken };
}

/** A cursor into the kept events: a watcher that does not read costs nothing, and later finds what is still kept. */
function watchJob(
  call: ServerWritableStream<WatchJobRequest__Output, JobEvent>,
  watches: Set<(error: MetatrainError) => void>,
  { book, clock, log }: Pick<JobServiceDependencies, 'book' | 'clock' | 'log'>,
): void {
  const { jobId, afterSequence, replayOnly } = call.request;
  let sequence = afterSequence;
  let isBlocked = false;
  let isOver = false;
  let stopWatching = () => {};
  let stopSigns = () => {};
  const end = (thrown?: unknown) => {
    if (isOver) return;
    isOver = true;
    stopWatching();
    stopSigns();
    watches.delete(end);
    if (thrown === undefined) call.end();
    else call.emit('error', toServiceError(thrown, log));
  };
  const pump = () => {
    try {
      while (!isBlocked && !isOver) {
        const next = book.eventsAfter(jobId, sequence);
        if (next.isOver || (replayOnly && next.events.length === 0)) end();
        if (next.events.length === 0) return;
        for (const event of next.events) {
          sequence = event.sequence;
          if (!call.write(eventMessage(jobId, event))) isBlocked = true;
        }
      }
    } catch (thrown) {
      end(thrown);
    }
  };
  call.on('drain', () => {
    isBlocked = false;
    pump();
  });
  call.on('cancelled', () => end());
  try {
    book.record(jobId);
    stopWatching = book.watch(jobId, pump);
    watches.add(end);
    if (!replayOnly && !book.isOver(jobId)) stopSigns = sendSignsOfLife(call, clock);
    pump();
  } catch (thrown) {
    end(thrown);
  }
}

async function download(
  call: ServerWritableStream<DownloadCheckpointRequest__Output, CheckpointChunk>,
  requests: JobRequests,
  checkpoints: CheckpointStore,
): Promise<void> {
  const { jobId, step } = call.request;
  const record = requests.checkpoint(jobId, step);
  const cancelled = new AbortController();
  call.on('cancelled', () => cancelled.abort());
  let offset = 0;
  for await (const data of checkpoints.stream(jobId, record)) {
    if (cancelled.signal.aborted) return;
    const info = offset === 0 ? checkpointMessage(record) : null;
    if (!call.write({ info, offset, data })) await drained(call, cancelled.signal);
    offset += data.byteLength;
  }
}
