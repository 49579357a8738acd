// Facts about a resource's job and about the coordinator, as the controller last learned them. Nothing
// here decides.
import type { Job, JobSummary, Measure } from '../../client/records.ts';

/** The fields of a job that a status shows. */
export type SeenJob = Pick<
  JobSummary,
  | 'jobId'
  | 'state'
  | 'steps'
  | 'iterations'
  | 'submittedAt'
  | 'startedAt'
  | 'endedAt'
  | 'error'
  | 'lastMetaStep'
  | 'waiting'
> & {
  /** Of the newest evaluation, each at its last point. */
  readonly measures: readonly Measure[];
  /** From `GetJob` only; a list does not have it. */
  readonly paramsSha256?: string;
  readonly verdict?: string;
};

export type Sighting =
  /** Not asked for since this process began to lead. */
  | { readonly kind: 'unseen' }
  /** @param at wall clock, in milliseconds: when the coordinator was asked. */
  | { readonly kind: 'seen'; readonly at: number; readonly job: SeenJob }
  /** The coordinator has no record of the job with this id. */
  | { readonly kind: 'forgotten'; readonly jobId: string }
  /** The coordinator refuses this job file for good. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

/** A call for this resource has failed and is tried again. */
export interface Trouble {
  readonly code: string;
  readonly message: string;
}

export type Reachability =
  /** Not asked yet. */
  | { readonly kind: 'unasked' }
  | { readonly kind: 'reachable' }
  /** @param isLong it has been so for longer than a restart takes. */
  | { readonly kind: 'away'; readonly isLong: boolean; readonly code: string; readonly message: string };

/** Workers that are connected to the coordinator, as far as a job asks for them. */
export interface SeenWorker {
  readonly engine: string;
  readonly device: string;
  readonly isHeld: boolean;
}

export const seenOfSummary = (job: JobSummary): SeenJob => ({
  ...outline(job),
  measures: job.lastEvaluation?.measures ?? [],
});

export function seenOfJob(job: Job): SeenJob {
  const measures = (job.evaluations.at(-1)?.measures ?? []).map((measure) => ({
    ...measure,
    points: measure.points.slice(-1),
    estimates: measure.estimates.slice(-1),
  }));
  return {
    ...outline(job),
    measures,
    ...(job.paramsSha256 !== '' && { paramsSha256: job.paramsSha256 }),
    ...(job.verdict && { verdict: job.verdict.text }),
  };
}

function outline(job: Job | JobSummary) {
  const { jobId, state, steps, iterations, submittedAt, startedAt, endedAt, error, lastMetaStep, waiting } = job;
  return {
    jobId,
    state,
    steps,
    iterations,
    ...(submittedAt && { submittedAt }),
    ...(startedAt && { startedAt }),
    ...(endedAt && { endedAt }),
    ...(error && { error }),
    ...(lastMetaStep && { lastMetaStep }),
    ...(waiting && { waiting }),
  };
}
