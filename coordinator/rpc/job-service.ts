// JobService: what clients submit, read, watch and download. Checks requests, asks the runner and the job book, answers.
import type { ServerWritableStream } from '@grpc/grpc-js';
import { MetatrainError } from '../../shared/errors.ts';
import type { CheckpointChunk } from '../../shared/gen/metatrain/v1/CheckpointChunk.ts';
import type { DownloadCheckpointRequest__Output } from '../../shared/gen/metatrain/v1/DownloadCheckpointRequest.ts';
import type { JobEvent } from '../../shared/gen/metatrain/v1/JobEvent.ts';
import type { JobServiceHandlers } from '../../shared/gen/metatrain/v1/JobService.ts';
import type { ListJobsRequest__Output } from '../../shared/gen/metatrain/v1/ListJobsRequest.ts';
import type { ListJobsResponse } from '../../shared/gen/metatrain/v1/ListJobsResponse.ts';
import type { WatchJobRequest__Output } from '../../shared/gen/metatrain/v1/WatchJobRequest.ts';
import { parseJobSpec } from '../../shared/job-spec/index.ts';
import type { Logger } from '../../shared/log.ts';
import type { Caller } from '../authentication.ts';
import type { JobBook } from '../job-book.ts';
import type { Runner } from '../runner.ts';
import type { CheckpointStore } from '../store/checkpoint-store.ts';
import type { JobRecord, JobStateName } from '../store/job-record.ts';
import { askedFor, checkpointMessage, eventMessage, jobMessage, stateOfMessage } from './job-messages.ts';
import { toServiceError, unary } from './status.ts';
import { drained } from './streaming.ts';

interface JobServiceDependencies {
  readonly runner: Runner;
  readonly book: JobBook;
  readonly checkpoints: CheckpointStore;
  readonly log: Logger;
}

const maxKeyLength = 128;
const maxPageSize = 500;
const usualPageSize = 50;

/** A job service and the way to end its open watches, which would otherwise outlive the coordinator's close. */
export function jobService({ runner, book, checkpoints, log }: JobServiceDependencies): {
  readonly handlers: JobServiceHandlers;
  close(error: MetatrainError): void;
} {
  const watches = new Set<(error: MetatrainError) => void>();
  const control = async (kind: Parameters<Runner['request']>[0], jobId: string, caller: Caller) => {
    mustControl(caller, book.record(jobId));
    return jobMessage(await runner.request(kind, jobId));
  };
  const handlers: JobServiceHandlers = {
    SubmitJob: unary(log, async ({ spec, idempotencyKey }, { name: owner }) => {
      if (idempotencyKey.length > maxKeyLength) {
        throw invalid('idempotency_key', `${idempotencyKey.length} characters`, `at most ${maxKeyLength}`);
      }
      const { jobId, isNew } = await runner.submit(parseJobSpec(spec), idempotencyKey, owner);
      return { jobId, alreadySubmitted: !isNew };
    }),
    GetJob: unary(log, ({ jobId }) => jobMessage(book.record(jobId))),
    ListJobs: unary(log, (request) => listJobs(book, request)),
    CancelJob: unary(log, ({ jobId }, caller) => control('jobCancelRequested', jobId, caller)),
    PauseJob: unary(log, ({ jobId }, caller) => control('jobPauseRequested', jobId, caller)),
    ResumeJob: unary(log, ({ jobId }, caller) => control('jobResumeRequested', jobId, caller)),
    GetShard: unary(log, ({ jobId, metaStep, shard }) => ({
      metaStep,
      shard,
      payloadSha256: book.shardHash(jobId, metaStep, shard),
    })),
    WatchJob: (call) => watchJob(call, book, watches, log),
    DownloadCheckpoint: (call) => {
      download(call, book, checkpoints).then(
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

/** @throws MetatrainError `FORBIDDEN` unless the job is the caller's own, or the caller is an admin. */
function mustControl({ name, roles }: Caller, { jobId, owner = '' }: JobRecord): void {
  if (roles.has('admin') || (name !== '' && owner === name)) return;
  throw new MetatrainError(
    'FORBIDDEN',
    `job ${jobId} was not submitted by ${name}; only whoever submitted it, or the role admin, may cancel, pause or resume it`,
  );
}

function listJobs(book: JobBook, { pageSize, pageToken, states }: ListJobsRequest__Output): ListJobsResponse {
  if (pageSize > maxPageSize) throw invalid('page_size', String(pageSize), `at most ${maxPageSize}`);
  const before = pageToken === '' ? Number.POSITIVE_INFINITY : Number(pageToken);
  if (!(before > 0)) throw invalid('page_token', JSON.stringify(pageToken), 'the next_page_token of another page');
  const wanted = new Set<JobStateName>();
  for (const state of states) {
    const name = stateOfMessage(state);
    if (!name) throw invalid('states', String(state), 'queued, running, paused, succeeded, failed or cancelled');
    wanted.add(name);
  }
  const page = book.page(wanted, before, pageSize || usualPageSize);
  return { jobs: page.jobs.map(jobMessage), nextPageToken: page.nextBefore?.toString() ?? '' };
}

/** A cursor into the kept events: a watcher that does not read costs nothing, and later finds what is still kept. */
function watchJob(
  call: ServerWritableStream<WatchJobRequest__Output, JobEvent>,
  book: JobBook,
  watches: Set<(error: MetatrainError) => void>,
  log: Logger,
): void {
  const { jobId, afterSequence, replayOnly } = call.request;
  let sequence = afterSequence;
  let isBlocked = false;
  let isOver = false;
  let stopWatching = () => {};
  const end = (thrown?: unknown) => {
    if (isOver) return;
    isOver = true;
    stopWatching();
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
    pump();
  } catch (thrown) {
    end(thrown);
  }
}

async function download(
  call: ServerWritableStream<DownloadCheckpointRequest__Output, CheckpointChunk>,
  book: JobBook,
  checkpoints: CheckpointStore,
): Promise<void> {
  const { jobId, step } = call.request;
  const kept = askedFor(book.record(jobId));
  const record = step === undefined ? kept.at(-1) : kept.find((checkpoint) => checkpoint.step === step);
  if (!record) {
    const which = step === undefined ? 'checkpoint yet' : `checkpoint of meta-step ${step}`;
    const steps = kept.map((checkpoint) => checkpoint.step).join(', ') || 'none';
    throw new MetatrainError('CHECKPOINT_UNKNOWN', `job ${jobId} has no ${which}; kept: ${steps}`);
  }
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

function invalid(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `${field}: got ${got}; accepted: ${accepted}`, { details: { field } });
}
