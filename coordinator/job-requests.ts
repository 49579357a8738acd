// What clients ask of jobs, whichever way they come: the gRPC service and the HTTP API check and refuse alike because both ask here. Fields are
// named as proto/ spells them.

import { readJob } from '../learning/job-file.ts';
import { type JsonSchema, jobFileSchema } from '../learning/json-schema.ts';
import type { Registry } from '../learning/registry.ts';
import { MetatrainError } from '../shared/errors.ts';
import type { JobPace } from '../shared/pace.ts';
import type { Waiting } from '../shared/waiting.ts';
import type { Caller } from './access/authentication.ts';
import type { JobBook } from './jobs/job-book.ts';
import type { Runner } from './runner/runner.ts';
import { askedFor, type CheckpointRecord, hasEnded, type JobRecord, type JobStateName } from './store/job-record.ts';

const maxKeyLength = 128;
const maxOverrides = 100;
const maxOverrideLength = 400;
const maxPageSize = 500;
const usualPageSize = 50;

export type JobControl = 'cancel' | 'pause' | 'resume';

const eventOf = {
  cancel: 'jobCancelRequested',
  pause: 'jobPauseRequested',
  resume: 'jobResumeRequested',
} as const satisfies Record<JobControl, Parameters<Runner['request']>[0]>;

export interface JobPageRequest {
  /** 1 to 500; 0 means 50. */
  readonly pageSize: number;
  /** `nextPageToken` of the page before; empty for the first. */
  readonly pageToken: string;
  /** Empty means all. */
  readonly states: ReadonlySet<JobStateName>;
}

export class JobRequests {
  readonly #runner: Runner;
  readonly #book: JobBook;
  readonly #registry: Registry;
  #schema: JsonSchema | undefined;

  constructor({
    runner,
    book,
    registry,
  }: {
    readonly runner: Runner;
    readonly book: JobBook;
    readonly registry: Registry;
  }) {
    this.#registry = registry;
    this.#runner = runner;
    this.#book = book;
  }

  /**
   * @param text the job file.
   * @param overrides what the client changed of the file that it read, for the record.
   * @throws MetatrainError `REQUEST_INVALID`, `JOB_EXISTS`, `QUEUE_FULL` or `SHUTTING_DOWN`
   */
  async submit(
    text: string,
    idempotencyKey: string,
    { name: owner }: Caller,
    overrides: readonly string[] = [],
  ): Promise<{ readonly jobId: string; readonly alreadySubmitted: boolean }> {
    if (idempotencyKey.length > maxKeyLength) {
      throw invalidField('idempotency_key', `${idempotencyKey.length} characters`, `at most ${maxKeyLength}`);
    }
    if (overrides.length > maxOverrides) {
      throw invalidField('overrides', `${overrides.length} texts`, `at most ${maxOverrides}`);
    }
    const tooLong = overrides.find((override) => override.length > maxOverrideLength);
    if (tooLong !== undefined) {
      throw invalidField('overrides', `${tooLong.length} characters`, `at most ${maxOverrideLength} each`);
    }
    const { jobId, isNew } = await this.#runner.submit({
      job: readJob(text, this.#registry),
      idempotencyKey,
      owner,
      overrides,
    });
    return { jobId, alreadySubmitted: !isNew };
  }

  /** The JSON Schema of the job files that it accepts, with the parts of its plugins. */
  jobFileSchema(): JsonSchema {
    this.#schema ??= jobFileSchema(this.#registry);
    return this.#schema;
  }

  /** @throws MetatrainError `JOB_UNKNOWN`, `FORBIDDEN`, or `JOB_NOT_RUNNING` when the job's state does not allow it. */
  async control(control: JobControl, jobId: string, caller: Caller): Promise<JobRecord> {
    this.#refuseOthers(jobId, caller, 'cancel, pause or resume it');
    return this.#runner.request(eventOf[control], jobId);
  }

  #refuseOthers(jobId: string, caller: Caller, what: string): void {
    if (mayControl(caller, this.#book.record(jobId))) return;
    throw new MetatrainError(
      'FORBIDDEN',
      `job ${jobId} was not submitted by ${caller.name}; only the one who submitted it, or the role admin, may ${what}`,
    );
  }

  /**
   * Deletes a job that has ended.
   *
   * @returns its record as it was. @throws MetatrainError `JOB_UNKNOWN`, `FORBIDDEN`, `JOB_NOT_ENDED`
   */
  async delete(jobId: string, caller: Caller): Promise<JobRecord> {
    this.#refuseOthers(jobId, caller, 'delete it');
    return this.#book.forget(jobId);
  }

  /** Jobs that compute nothing although they have not ended, by id. */
  waiting(): ReadonlyMap<string, Waiting> {
    return this.#runner.waitingJobs();
  }

  whyWaits({ jobId, state }: JobRecord): Waiting | undefined {
    return hasEnded(state) ? undefined : this.waiting().get(jobId);
  }

  /** How its meta-steps are computed now; undefined while none is. */
  paceOf({ jobId, state }: JobRecord): JobPace | undefined {
    return hasEnded(state) ? undefined : this.#runner.paceOf(jobId);
  }

  /** Newest first. @throws MetatrainError `REQUEST_INVALID` */
  page({ pageSize, pageToken, states }: JobPageRequest): {
    readonly jobs: readonly JobRecord[];
    nextPageToken: string;
  } {
    if (!(pageSize >= 0 && pageSize <= maxPageSize)) {
      throw invalidField('page_size', String(pageSize), `at most ${maxPageSize}`);
    }
    const before = pageToken === '' ? Number.POSITIVE_INFINITY : Number(pageToken);
    if (!(before > 0)) {
      throw invalidField('page_token', JSON.stringify(pageToken), 'the next_page_token of another page');
    }
    const { jobs, nextBefore } = this.#book.page(states, before, pageSize || usualPageSize);
    return { jobs, nextPageToken: nextBefore?.toString() ?? '' };
  }

  /** @param step undefined: the newest. @throws MetatrainError `JOB_UNKNOWN`, `CHECKPOINT_UNKNOWN` */
  checkpoint(jobId: string, step: number | undefined): CheckpointRecord {
    const kept = askedFor(this.#book.record(jobId));
    const record = step === undefined ? kept.at(-1) : kept.find((checkpoint) => checkpoint.step === step);
    if (record) return record;
    const which = step === undefined ? 'checkpoint yet' : `checkpoint of meta-step ${step}`;
    const steps = kept.map((checkpoint) => checkpoint.step).join(', ') || 'none';
    throw new MetatrainError('CHECKPOINT_UNKNOWN', `job ${jobId} has no ${which}; kept: ${steps}`);
  }
}

/** A job is its owner's and the admins'. That a caller may control jobs at all, the door has looked at. */
export const mayControl = ({ name, roles }: Caller, { owner = '' }: JobRecord): boolean =>
  roles.has('admin') || (name !== '' && owner === name);

export function invalidField(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `${field}: got ${got}; accepted: ${accepted}`, { details: { field } });
}
