// The connection to the coordinator. Once a second it lists all jobs that have not ended, and every few
// seconds the workers. One list serves any number of resources and shows whether the coordinator
// answers; unlike a stream, it cannot lose an event. Also makes the calls that change a job.
import type { MetatrainClient } from '../../client/metatrain-client.ts';
import { hasEnded, type Job, type JobSummary } from '../../client/records.ts';
import { type Clock, delay } from '../../shared/clock.ts';
import { asMetatrainError, type MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import type { Reachability, SeenWorker } from './sighting.ts';

export interface CoordinatorLinkOptions {
  /** Default 1,000 ms. */
  readonly pollMs?: number;
  /** After this time without an answer, the resources show that the coordinator is away. Default 3,000 ms. */
  readonly restartMs?: number;
  /**
   * All jobs that have not ended, as they were when or after they were asked for.
   *
   * @param askedAt wall clock, milliseconds.
   */
  readonly onJobs: (jobs: readonly JobSummary[], askedAt: number) => void;
  readonly onReachability: () => void;
  readonly onWorkers: () => void;
}

interface Dependencies {
  readonly client: MetatrainClient;
  readonly clock: Clock;
  readonly log: Logger;
}

const pageSize = 500;
const workersEveryMs = 3_000;

/** Errors that do not concern the job: the coordinator is away, or rejects the controller. */
const awayCodes: ReadonlySet<string> = new Set(['NOT_READY', 'SHUTTING_DOWN', 'DEADLINE_EXCEEDED', 'UNAUTHENTICATED']);

export const isAway = (error: MetatrainError): boolean => awayCodes.has(error.code);

export class CoordinatorLink {
  readonly #options: CoordinatorLinkOptions;
  readonly #dependencies: Dependencies;
  #reachability: Reachability = { kind: 'unasked' };
  #awaySinceMs = 0;
  #workers: readonly SeenWorker[] | undefined;

  constructor(options: CoordinatorLinkOptions, dependencies: Dependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  get reachability(): Reachability {
    return this.#reachability;
  }

  /** Undefined before the first look, and while the coordinator is away for long. */
  get workers(): readonly SeenWorker[] | undefined {
    return this.#workers;
  }

  /** Until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#dependencies;
    const { pollMs = 1_000, onJobs } = this.#options;
    let workersAtMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      const begunMs = clock.elapsedMs();
      const askedAt = clock.now();
      let pauseMs = pollMs;
      try {
        const jobs: JobSummary[] = [];
        const request = { states: ['QUEUED', 'RUNNING', 'PAUSED'] as const, pageSize, signal };
        for await (const job of client.listJobs(request)) jobs.push(job);
        if (begunMs - workersAtMs >= workersEveryMs) {
          await this.#lookAtWorkers(signal);
          workersAtMs = begunMs;
        }
        this.answered();
        onJobs(jobs, askedAt);
        // A coordinator with thousands of jobs is asked less often.
        pauseMs = Math.max(pollMs, 5 * (clock.elapsedMs() - begunMs));
      } catch (thrown) {
        if (signal.aborted) return;
        this.failed(asMetatrainError(thrown));
      }
      await delay(pauseMs, signal).catch(() => undefined);
    }
  }

  /** A call has failed for a reason that does not concern the job. */
  failed(error: MetatrainError): void {
    const { clock, log } = this.#dependencies;
    const { restartMs = 3_000 } = this.#options;
    const { code, message } = error;
    const before = this.#reachability;
    const nowMs = clock.elapsedMs();
    if (before.kind !== 'away') {
      this.#awaySinceMs = nowMs;
      log.warn({ code }, `the coordinator does not answer: ${message}`);
    }
    const isLong = nowMs - this.#awaySinceMs >= restartMs;
    this.#reachability = { kind: 'away', isLong, code, message };
    // A restart takes a moment; the workers come back by themselves.
    if (isLong) this.#workers = undefined;
    if (before.kind !== 'away' || before.isLong !== isLong) this.#options.onReachability();
  }

  answered(): void {
    const before = this.#reachability;
    if (before.kind === 'reachable') return;
    this.#reachability = { kind: 'reachable' };
    if (before.kind === 'away') this.#dependencies.log.info('the coordinator answers again');
    this.#options.onReachability();
  }

  /** @throws MetatrainError */
  async submit(
    spec: string,
    idempotencyKey: string,
  ): Promise<{ readonly job: Job; readonly alreadySubmitted: boolean }> {
    const { client } = this.#dependencies;
    const { jobId, alreadySubmitted } = await client.submitJob(spec, { idempotencyKey });
    return { job: await client.getJob(jobId), alreadySubmitted };
  }

  /** @throws MetatrainError `JOB_UNKNOWN` */
  look(jobId: string): Promise<Job> {
    return this.#dependencies.client.getJob(jobId);
  }

  /** The job afterwards, even if it had ended before. @throws MetatrainError `JOB_UNKNOWN` */
  async control(what: 'pause' | 'resume' | 'cancel', jobId: string): Promise<Job> {
    const { client } = this.#dependencies;
    const calls = {
      pause: () => client.pauseJob(jobId),
      resume: () => client.resumeJob(jobId),
      cancel: () => client.cancelJob(jobId),
    };
    try {
      return await calls[what]();
    } catch (thrown) {
      if (asMetatrainError(thrown).code !== 'JOB_NOT_RUNNING') throw thrown;
      // It has ended, or is no longer paused; the next decision is made on its present state.
      const job = await client.getJob(jobId);
      if (what === 'cancel' && !hasEnded(job.state)) throw thrown;
      return job;
    }
  }

  async #lookAtWorkers(signal: AbortSignal): Promise<void> {
    const workers = await this.#dependencies.client.listWorkers({ signal });
    const seen = workers.map(({ engine, device, state }) => ({
      engine,
      device: device.kind,
      isHeld: state === 'DRAINING' || state === 'QUARANTINED',
    }));
    const isNew = JSON.stringify(seen) !== JSON.stringify(this.#workers);
    this.#workers = seen;
    if (isNew) this.#options.onWorkers();
  }
}
