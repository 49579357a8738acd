// Situations of a resource, for tests of decisions and statuses.
import type { Situation } from '../../../../deploy/controller/decide.ts';
import { finalizer, type MetaTrainJob, type MetaTrainJobStatus } from '../../../../deploy/controller/resource.ts';
import type { SeenJob } from '../../../../deploy/controller/sighting.ts';
import { statusFor } from '../../../../deploy/controller/status.ts';

export const noon = Date.parse('2026-12-01T12:00:00Z');

export interface ResourceOptions {
  readonly isMarked?: boolean;
  readonly isDeletedAt?: number;
  readonly spec?: Partial<MetaTrainJob['spec']>;
  readonly status?: MetaTrainJobStatus;
}

export function resourceOf({ isMarked = true, isDeletedAt, spec, status }: ResourceOptions = {}): MetaTrainJob {
  return {
    apiVersion: 'metatrain.dev/v1alpha1',
    kind: 'MetaTrainJob',
    metadata: {
      name: 'a-job',
      namespace: 'lab',
      uid: 'u-1',
      resourceVersion: '7',
      generation: 1,
      finalizers: isMarked ? [finalizer] : [],
      ...(isDeletedAt !== undefined && { deletionTimestamp: new Date(isDeletedAt).toISOString() }),
    },
    spec: { job: { name: 'a-job' }, ...spec },
    ...(status && { status }),
  };
}

export const jobOf = (fields: Partial<SeenJob> = {}): SeenJob => ({
  jobId: 'j1',
  state: 'RUNNING',
  steps: 1_200,
  iterations: 20_000,
  submittedAt: new Date(noon - 70_000),
  startedAt: new Date(noon - 60_000),
  measures: [],
  ...fields,
});

export const seen = (fields: Partial<SeenJob> = {}): Situation['sighting'] => ({
  kind: 'seen',
  at: noon,
  job: jobOf(fields),
});

export const away = (isLong = true): Situation['coordinator'] => ({
  kind: 'away',
  isLong,
  code: 'NOT_READY',
  message: 'nothing listens there',
});

export const situationOf = (fields: Partial<Situation> = {}): Situation => ({
  resource: resourceOf(),
  sighting: { kind: 'unseen' },
  trouble: undefined,
  coordinator: { kind: 'reachable' },
  workers: [{ engine: 'compiled', device: 'cpu', isHeld: false }],
  podProblems: [],
  now: noon,
  giveUpMs: 600_000,
  ...fields,
});

/** The status of a resource with such a job. */
export const statusOfJob = (fields: Partial<SeenJob> = {}, situation: Partial<Situation> = {}): MetaTrainJobStatus =>
  statusFor({ ...situationOf({ sighting: seen(fields), ...situation }), isHeld: false });

export const succeeded = { state: 'SUCCEEDED', steps: 20_000, endedAt: new Date(noon), paramsSha256: 'ab12' } as const;
