// The resource MetaTrainJob as the controller reads and writes it, and its names in the API.
import type { Condition, KubeObject } from './kube/objects.ts';

export const group = 'metatrain.dev';
export const version = 'v1alpha1';
export const kind = 'MetaTrainJob';
export const plural = 'metatrainjobs';
export const apiVersion = `${group}/${version}`;

/** Keeps a deleted resource until its job has been cancelled. */
export const finalizer = 'metatrain.dev/cancel';

/** One job for one resource, however often it is submitted. */
export const idempotencyKeyOf = ({ metadata }: KubeObject): string => `kubernetes-${metadata.uid}`;

export const resourcesPath = (namespace: string): string => `/apis/${apiVersion}/namespaces/${namespace}/${plural}`;

export interface MetaTrainJob extends KubeObject {
  readonly spec: MetaTrainJobSpec;
  readonly status?: MetaTrainJobStatus;
}

export interface MetaTrainJobSpec {
  /** A job file. The API server checks most of it, the coordinator all of it. */
  readonly job: Readonly<Record<string, unknown>>;
  readonly suspend?: boolean;
  readonly ttlSecondsAfterFinished?: number;
  readonly activeDeadlineSeconds?: number;
}

/** The column `State`. */
export type ShownState =
  | 'Pending'
  | 'Queued'
  | 'Running'
  | 'Paused'
  | 'Succeeded'
  | 'Failed'
  | 'Cancelled'
  | 'Refused'
  | 'Unknown';

export interface MetaTrainJobStatus {
  readonly observedGeneration?: number;
  /** When the coordinator was asked for the state that is shown here. */
  readonly observedAt?: string;
  readonly jobId?: string;
  readonly state?: ShownState;
  readonly step?: number;
  readonly steps?: number;
  /** `1,200/20,000`. */
  readonly progress?: string;
  readonly progressPercent?: number;
  readonly eta?: string;
  readonly startTime?: string;
  readonly completionTime?: string;
  readonly paramsSha256?: string;
  /** Of the newest evaluation. */
  readonly measures?: readonly ShownMeasure[];
  readonly measure?: string;
  readonly message?: string;
  readonly conditions?: readonly Condition[];
}

export interface ShownMeasure {
  readonly name: string;
  readonly title?: string;
  readonly axis?: string;
  readonly point?: string;
  readonly unit?: string;
  readonly better?: string;
  readonly mean: number;
  readonly halfWidth95: number;
}

export const conditionOf = (status: MetaTrainJobStatus | undefined, type: string): Condition | undefined =>
  status?.conditions?.find((condition) => condition.type === type);

export const isTrue = (status: MetaTrainJobStatus | undefined, type: string): boolean =>
  conditionOf(status, type)?.status === 'True';

/** The status is final: the job has ended, or there will never be one. */
export const isFinished = (status: MetaTrainJobStatus | undefined): boolean =>
  isTrue(status, 'Complete') || isTrue(status, 'Failed');

export const hasFinalizer = ({ metadata }: KubeObject): boolean => metadata.finalizers?.includes(finalizer) ?? false;

export const wantsSuspension = ({ spec }: MetaTrainJob): boolean => spec.suspend ?? false;
