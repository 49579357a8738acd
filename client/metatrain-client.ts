// A typed client of one coordinator. Every call has a deadline and accepts an AbortSignal; every
// failure is a MetatrainError; lost streams are resumed. The client holds one connection, and its
// creator closes it.
import {
  type CallOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  connectivityState,
  type requestCallback,
} from '@grpc/grpc-js';
import { delay, realClock } from '../shared/clock.ts';
import type { ClusterEvent } from '../shared/cluster-event.ts';
import { type Connection, connectionTo } from '../shared/connection.ts';
import { MetatrainError } from '../shared/errors.ts';
import type { ClusterEvent__Output } from '../shared/gen/metatrain/v1/ClusterEvent.ts';
import type { Job__Output } from '../shared/gen/metatrain/v1/Job.ts';
import type { ListJobsResponse__Output } from '../shared/gen/metatrain/v1/ListJobsResponse.ts';
import type { ListWorkersResponse__Output } from '../shared/gen/metatrain/v1/ListWorkersResponse.ts';
import type { ShardRecord__Output } from '../shared/gen/metatrain/v1/ShardRecord.ts';
import {
  ClusterService,
  channelOptions,
  defaultCoordinatorAddress,
  JobService,
  ModelService,
  signOfLifeMs,
} from '../shared/wire.ts';
import { writeCheckpointFile } from './checkpoint-file.ts';
import { fromGrpcError, isUnreachable } from './grpc-errors.ts';
import { ModelCalls } from './models.ts';
import { type PatienceOptions, persist, type Time } from './patience.ts';
import {
  type CheckpointInfo,
  eventFromWire,
  hasEnded,
  type Job,
  type JobEvent,
  type JobState,
  type JobSummary,
  jobFromWire,
  summaryOfJobFromWire,
  type WorkerInfo,
  workerFromWire,
} from './records.ts';
import { followEvents, followJob, type WatchOptions } from './watch.ts';

export interface MetatrainClientOptions {
  /** HOST:PORT. Default `127.0.0.1:7420`. */
  readonly address?: string;
  /** From `connectionTo`: TLS and a token. Default: no encryption, no token. */
  readonly connection?: Connection;
  /** Deadline of every call that is not a stream. Default 10,000 ms. */
  readonly deadlineMs?: number;
  /**
   * A watch opens a new stream at least this often, so that no stream can hang for ever. Default
   * 600,000 ms.
   */
  readonly longestStreamMs?: number;
  /**
   * A watch opens a new stream after this time without a message. The coordinator sends an empty
   * message every 15 s. Default 45,000 ms.
   */
  readonly longestSilenceMs?: number;
}

export interface CallControl {
  /** Ends the call; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface SubmitOptions extends CallControl {
  /** At most 128 characters; a second submit with the same key and spec returns the first one's job. */
  readonly idempotencyKey?: string;
  /**
   * Changes to the job file, such as `meta.iterations=500`. They are for the record only: `spec`
   * already contains them. At most 100.
   */
  readonly overrides?: readonly string[];
}

export interface ListJobsOptions extends CallControl {
  /** Only jobs in one of these states. Default: all. */
  readonly states?: readonly JobState[];
  /** Jobs fetched at a time, 1 to 500. Default 50. */
  readonly pageSize?: number;
}

export interface WatchEventsOptions extends CallControl, WatchOptions {
  /** Only events from this moment on. */
  readonly since?: Date;
  /** Only this job's. Default: every job's and every worker's. */
  readonly jobId?: string;
  /** False: end after the events that are kept now. Default true. */
  readonly isFollowing?: boolean;
}

export interface DownloadOptions extends CallControl {
  /** The meta-step of the checkpoint. Default: the latest. */
  readonly step?: number;
  /** Default 600,000 ms. */
  readonly deadlineMs?: number;
}

/** grpc-js sets no limit to an attempt to connect. */
const longestAttemptMs = 5_000;

type StartUnary<Response> = (options: CallOptions, done: requestCallback<Response>) => ClientUnaryCall;

export class MetatrainClient {
  readonly address: string;
  #jobs: InstanceType<typeof JobService>;
  #cluster: InstanceType<typeof ClusterService>;
  #modelService: InstanceType<typeof ModelService>;
  /** Adapting trained models to new tasks, and predicting with them. */
  readonly models = new ModelCalls((start, options) =>
    this.#unary((call, done) => start(this.#modelService, call, done), options),
  );
  /** When the channel was made. */
  #madeAtMs = 0;
  readonly #connection: Connection;
  readonly #deadlineMs: number;
  readonly #longestStreamMs: number;
  readonly #longestSilenceMs: number;

  /** @throws MetatrainError `REQUEST_INVALID` for an address that is not HOST:PORT. */
  constructor(options: MetatrainClientOptions = {}) {
    this.address = options.address ?? defaultCoordinatorAddress;
    this.#deadlineMs = options.deadlineMs ?? 10_000;
    this.#longestStreamMs = options.longestStreamMs ?? 600_000;
    this.#longestSilenceMs = options.longestSilenceMs ?? 3 * signOfLifeMs;
    this.#connection = options.connection ?? connectionTo(this.address);
    [this.#jobs, this.#cluster, this.#modelService] = this.#connect();
  }

  /**
   * Submits a job file.
   *
   * @param spec YAML or JSON, at most 64 KiB.
   * @throws MetatrainError `REQUEST_INVALID` naming every bad field; `JOB_EXISTS` when the idempotency key belongs to another spec.
   */
  async submitJob(
    spec: string,
    options: SubmitOptions = {},
  ): Promise<{ readonly jobId: string; readonly alreadySubmitted: boolean }> {
    const { idempotencyKey = '', overrides = [] } = options;
    const request = { spec, idempotencyKey, overrides: [...overrides] };
    return this.#unary((call, done) => this.#jobs.submitJob(request, call, done), options);
  }

  /**
   * Retries for `giveUpAfterMs`, by default not at all.
   *
   * @throws MetatrainError `JOB_UNKNOWN`.
   */
  getJob(jobId: string, options: CallControl & PatienceOptions = {}): Promise<Job> {
    const { signal, ...patience } = options;
    return persist(
      () => this.#job((call, done) => this.#jobs.getJob({ jobId }, call, done), options),
      timeUntil(signal),
      { giveUpAfterMs: 0, ...patience },
    );
  }

  /** Newest first. Fetches pages as the caller iterates. */
  async *listJobs(options: ListJobsOptions = {}): AsyncGenerator<JobSummary, void> {
    const states = (options.states ?? []).map((state) => `JOB_STATE_${state}` as const);
    let pageToken = '';
    do {
      const request = { states, pageSize: options.pageSize ?? 50, pageToken };
      const page = await this.#unary<ListJobsResponse__Output>(
        (call, done) => this.#jobs.listJobs(request, call, done),
        options,
      );
      yield* page.jobs.map(summaryOfJobFromWire);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  /** @throws MetatrainError `JOB_UNKNOWN`; `JOB_NOT_RUNNING` when it has ended. */
  cancelJob(jobId: string, options: CallControl = {}): Promise<Job> {
    return this.#job((call, done) => this.#jobs.cancelJob({ jobId }, call, done), options);
  }

  /**
   * Pauses a job; shards in flight finish first. @throws MetatrainError `JOB_UNKNOWN`;
   * `JOB_NOT_RUNNING` when it has ended.
   */
  pauseJob(jobId: string, options: CallControl = {}): Promise<Job> {
    return this.#job((call, done) => this.#jobs.pauseJob({ jobId }, call, done), options);
  }

  /** @throws MetatrainError `JOB_UNKNOWN`; `JOB_NOT_RUNNING` when it is not paused. */
  resumeJob(jobId: string, options: CallControl = {}): Promise<Job> {
    return this.#job((call, done) => this.#jobs.resumeJob({ jobId }, call, done), options);
  }

  /**
   * Deletes a job that has ended, with its events and checkpoints.
   *
   * @returns how many checkpoints are gone with it, and their bytes. @throws MetatrainError
   *   `JOB_UNKNOWN`; `JOB_NOT_ENDED`.
   */
  deleteJob(
    jobId: string,
    options: CallControl = {},
  ): Promise<{ readonly checkpoints: number; readonly checkpointBytes: number }> {
    return this.#unary((call, done) => this.#jobs.deleteJob({ jobId }, call, done), options);
  }

  /**
   * The job's events from the first kept one until the job ends, each once and in order, across
   * lost connections and restarts of the coordinator.
   *
   * @throws MetatrainError `JOB_UNKNOWN`; `NOT_READY` when the coordinator does not answer for
   *   `giveUpAfterMs`.
   */
  watchJob(jobId: string, options: WatchOptions & CallControl = {}): AsyncGenerator<JobEvent, void> {
    const { signal } = options;
    return followJob(
      {
        open: (afterSequence) =>
          this.#streamOnce((call) => this.#jobs.watchJob({ jobId, afterSequence }, call), signal),
        isOver: () => this.#hasEnded(jobId, signal),
        ...timeUntil(signal),
      },
      options,
    );
  }

  /**
   * Events of jobs and workers, each once and in order, across lost connections and restarts of the
   * coordinator. Events of one job end with the job.
   *
   * @throws MetatrainError `JOB_UNKNOWN`; `NOT_READY` when the coordinator does not answer for
   *   `giveUpAfterMs`.
   */
  watchEvents(options: WatchEventsOptions = {}): AsyncGenerator<ClusterEvent, void> {
    const { signal, jobId, since, isFollowing = true } = options;
    const request = {
      jobId: jobId ?? '',
      noFollow: !isFollowing,
      ...(since && { since: { seconds: Math.floor(since.getTime() / 1_000), nanos: (since.getTime() % 1_000) * 1e6 } }),
    };
    const start = (afterSequence: number, call: CallOptions): ClientReadableStream<ClusterEvent__Output> =>
      this.#cluster.watchEvents({ ...request, afterSequence }, call);
    return followEvents(
      {
        open: (afterSequence) => this.#streamOnce((call) => start(afterSequence, call), signal),
        isOver: async () => !isFollowing || (jobId !== undefined && (await this.#hasEnded(jobId, signal))),
        ...timeUntil(signal),
      },
      options,
    );
  }

  /**
   * The job's kept events in order, without following the job.
   *
   * @throws MetatrainError `JOB_UNKNOWN`; `DEADLINE_EXCEEDED`.
   */
  async jobHistory(jobId: string, { signal }: CallControl = {}): Promise<readonly JobEvent[]> {
    const deadline = realClock.now() + this.#deadlineMs;
    const start = () => this.#jobs.watchJob({ jobId, replayOnly: true }, { deadline });
    const events: JobEvent[] = [];
    for await (const wireEvent of this.#messages(start, signal)) {
      const event = eventFromWire(wireEvent);
      if (event) events.push(event);
    }
    return events;
  }

  /**
   * Saves a checkpoint (safetensors) as `file`, which appears only when it is whole and its SHA-256 is the announced one.
   *
   * @throws MetatrainError `JOB_UNKNOWN`, `CHECKPOINT_UNKNOWN`, `CHECKPOINT_CORRUPT`; `REQUEST_INVALID` when the file cannot be written.
   */
  async downloadCheckpoint(jobId: string, file: string, options: DownloadOptions = {}): Promise<CheckpointInfo> {
    const { step, signal, deadlineMs = 600_000 } = options;
    const request = step === undefined ? { jobId } : { jobId, step };
    const start = () => this.#jobs.downloadCheckpoint(request, { deadline: realClock.now() + deadlineMs });
    return writeCheckpointFile(this.#messages(start, signal), file);
  }

  /**
   * SHA-256 (hex) of the meta-gradient sum that counted for the shard.
   *
   * @throws MetatrainError `JOB_UNKNOWN`, `SHARD_UNKNOWN` when it is not on record (any more).
   */
  async shardHash(jobId: string, metaStep: number, shard: number, options: CallControl = {}): Promise<string> {
    const { payloadSha256 } = await this.#unary<ShardRecord__Output>(
      (call, done) => this.#jobs.getShard({ jobId, metaStep, shard }, call, done),
      options,
    );
    return payloadSha256;
  }

  async listWorkers(options: CallControl = {}): Promise<readonly WorkerInfo[]> {
    const workers: WorkerInfo[] = [];
    let pageToken = '';
    do {
      const page = await this.#unary<ListWorkersResponse__Output>(
        (call, done) => this.#cluster.listWorkers({ pageToken }, call, done),
        options,
      );
      workers.push(...page.workers.map(workerFromWire));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return workers;
  }

  /** Ends the calls that are still open. May be called twice. */
  close(): void {
    this.#jobs.close();
  }

  #connect(): [
    InstanceType<typeof JobService>,
    InstanceType<typeof ClusterService>,
    InstanceType<typeof ModelService>,
  ] {
    const { credentials, interceptors, channelOptions: ownOptions } = this.#connection;
    this.#madeAtMs = realClock.elapsedMs();
    const jobs = new JobService(this.address, credentials, {
      ...channelOptions,
      ...ownOptions,
      interceptors,
      // A watcher must notice a restarted coordinator soon; grpc-js would wait for up to two
      // minutes.
      'grpc.max_reconnect_backoff_ms': 5_000,
      // A pod that is gone closes no connection. Calls that end at their deadline do not show it, so
      // the connection is tried between calls too.
      'grpc.keepalive_time_ms': 5_000,
      'grpc.keepalive_timeout_ms': 5_000,
      'grpc.keepalive_permit_without_calls': 1,
    });
    const alike = { channelOverride: jobs.getChannel(), interceptors };
    return [
      jobs,
      new ClusterService(this.address, credentials, alike),
      new ModelService(this.address, credentials, alike),
    ];
  }

  /**
   * Connects anew after an attempt without an end. TCP tries for two minutes from one port, and if a
   * Service had no pod for the first packet, the others are lost too.
   */
  #replaceStuckChannel(jobs: InstanceType<typeof JobService>): void {
    const isStuck = jobs.getChannel().getConnectivityState(false) !== connectivityState.READY;
    if (jobs !== this.#jobs || !isStuck || realClock.elapsedMs() - this.#madeAtMs < longestAttemptMs) return;
    jobs.close();
    [this.#jobs, this.#cluster, this.#modelService] = this.#connect();
  }

  async #hasEnded(jobId: string, signal: AbortSignal | undefined): Promise<boolean> {
    return hasEnded((await this.getJob(jobId, signal && { signal })).state);
  }

  /**
   * A stream of events. It ends without an error at its deadline, or when no message arrives for too
   * long.
   */
  async *#streamOnce<Message>(
    start: (call: CallOptions) => ClientReadableStream<Message>,
    signal?: AbortSignal,
  ): AsyncGenerator<Message, void> {
    const deadline = realClock.now() + this.#longestStreamMs;
    const hasOtherToken = this.#connection.noteToken();
    try {
      yield* this.#messages(() => start({ deadline }), signal, this.#longestSilenceMs);
    } catch (error) {
      // The next stream shows the token that its file holds now.
      if (error instanceof MetatrainError && error.code === 'UNAUTHENTICATED' && hasOtherToken()) {
        throw new MetatrainError('NOT_READY', `${error.message}; its file holds another one now`, { cause: error });
      }
      const hasLastedLongEnough = error instanceof MetatrainError && error.code === 'DEADLINE_EXCEEDED';
      if (!hasLastedLongEnough) throw error;
    }
  }

  /**
   * A server stream's messages. The call begins and ends with the loop over the messages: an error
   * of a call without a reader would end the process.
   */
  async *#messages<Message>(
    start: () => ClientReadableStream<Message>,
    signal: AbortSignal | undefined,
    longestSilenceMs?: number,
  ): AsyncGenerator<Message, void> {
    signal?.throwIfAborted();
    const jobs = this.#jobs;
    const call = start();
    const abort = () => call.cancel();
    signal?.addEventListener('abort', abort, { once: true });
    const silence = new Silence(longestSilenceMs, abort);
    try {
      silence.begin();
      for await (const message of call) {
        silence.end();
        yield message as Message;
        silence.begin();
      }
    } catch (thrown) {
      signal?.throwIfAborted();
      if (silence.wasTooLong) {
        this.#replaceStuckChannel(jobs);
        throw new MetatrainError('DEADLINE_EXCEEDED', `${this.address} sent no message for too long`);
      }
      throw await this.#failure(thrown, jobs);
    } finally {
      silence.end();
      signal?.removeEventListener('abort', abort);
      // Cancelling an unfinished stream makes it emit an error that nobody handles.
      call.on('error', () => {});
      call.cancel();
    }
  }

  /** @param jobs what the call was made with. */
  async #failure(thrown: unknown, jobs: InstanceType<typeof JobService>): Promise<MetatrainError> {
    const error = fromGrpcError(thrown, this.address);
    if (error.code === 'DEADLINE_EXCEEDED' || isUnreachable(error)) this.#replaceStuckChannel(jobs);
    const why = isUnreachable(error) ? await this.#connection.whyUnreachable() : undefined;
    if (why === undefined) return error;
    return new MetatrainError(error.code, why, { details: error.details, cause: error.cause });
  }

  async #job(start: StartUnary<Job__Output>, control: CallControl): Promise<Job> {
    return jobFromWire(await this.#unary(start, control));
  }

  #unary<Response>(
    start: StartUnary<Response>,
    { signal, deadlineMs = this.#deadlineMs }: CallControl & { readonly deadlineMs?: number },
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const jobs = this.#jobs;
      const call = start({ deadline: realClock.now() + deadlineMs }, (error, response) => {
        signal?.removeEventListener('abort', abort);
        if (signal?.aborted) reject(signal.reason);
        else if (error || response === undefined) void this.#failure(error, jobs).then(reject, reject);
        else resolve(response);
      });
      const abort = () => call.cancel();
      signal?.addEventListener('abort', abort, { once: true });
    });
  }
}

/** Real time, in which a wait ends when the caller aborts. */
const timeUntil = (signal: AbortSignal | undefined): Time => ({
  delay: (delayMs) => delay(delayMs, signal),
  now: () => realClock.elapsedMs(),
});

/** Measures how long the peer sends no message. */
class Silence {
  readonly #longestMs: number | undefined;
  readonly #onTooLong: () => void;
  #stop = () => {};
  wasTooLong = false;

  /** @param longestMs undefined: it may last. */
  constructor(longestMs: number | undefined, onTooLong: () => void) {
    this.#longestMs = longestMs;
    this.#onTooLong = onTooLong;
  }

  begin(): void {
    if (this.#longestMs === undefined) return;
    this.#stop = realClock.after(this.#longestMs, () => {
      this.wasTooLong = true;
      this.#onTooLong();
    });
  }

  end(): void {
    this.#stop();
  }
}
