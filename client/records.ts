// The records that the library returns: plain and readonly, with Dates and short state names. Only
// this file knows the conventions of the generated wire types (`JOB_STATE_` prefixes, seconds and
// nanos, null for absent).
import { type ClusterEvent, sequenceText } from '../shared/cluster-event.ts';
import type { Verdict } from '../shared/comparison.ts';
import type { DataIdentity } from '../shared/data-identity.ts';
import type { Timestamp__Output } from '../shared/gen/google/protobuf/Timestamp.ts';
import type { CheckpointInfo__Output } from '../shared/gen/metatrain/v1/CheckpointInfo.ts';
import type { ClusterEvent__Output } from '../shared/gen/metatrain/v1/ClusterEvent.ts';
import type { Device__Output } from '../shared/gen/metatrain/v1/Device.ts';
import type { Evaluation__Output } from '../shared/gen/metatrain/v1/Evaluation.ts';
import type { Job__Output } from '../shared/gen/metatrain/v1/Job.ts';
import type { JobError__Output } from '../shared/gen/metatrain/v1/JobError.ts';
import type { JobEvent__Output } from '../shared/gen/metatrain/v1/JobEvent.ts';
import type { JobPace__Output } from '../shared/gen/metatrain/v1/JobPace.ts';
import type { JobSummary__Output } from '../shared/gen/metatrain/v1/JobSummary.ts';
import type { Measure__Output } from '../shared/gen/metatrain/v1/Measure.ts';
import type { MetaStepSummary__Output } from '../shared/gen/metatrain/v1/MetaStepSummary.ts';
import type { ShardRetried__Output } from '../shared/gen/metatrain/v1/ShardRetried.ts';
import type { Verdict__Output } from '../shared/gen/metatrain/v1/Verdict.ts';
import type { WorkerInfo__Output } from '../shared/gen/metatrain/v1/WorkerInfo.ts';
import type { JobSpec } from '../shared/job-spec/index.ts';
import type { Estimate, Measure, MeasureValue } from '../shared/measures.ts';
import type { JobPace } from '../shared/pace.ts';
import type { PluginIdentity } from '../shared/plugin-identity.ts';
import { type JobWords, noWords } from '../shared/protocol.ts';
import type { Waiting } from '../shared/waiting.ts';

export const jobStates = ['QUEUED', 'RUNNING', 'PAUSED', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
export type JobState = (typeof jobStates)[number];

export const hasEnded = (state: JobState): boolean =>
  state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELLED';

export type { Estimate, Measure, MeasureValue, Verdict };

export interface EvaluationProtocol {
  readonly distribution: string;
  readonly split: string;
  readonly tasks: number;
  /** 0 for regression. */
  readonly ways: number;
  /** Support examples per class; per task for regression. */
  readonly shots: number;
  /** Query examples per class; per task for regression. */
  readonly queries: number;
  /** True when a prediction for one query example may use the other query examples. */
  readonly transductive: boolean;
  readonly splitDescription: string;
  /**
   * Of an ensemble: the meta-steps of the checkpoints that predicted together. Absent: one θ was tested.
   */
  readonly ensemble?: readonly number[];
}

export interface Evaluation {
  /** Meta-steps applied when it was measured. */
  readonly step: number;
  readonly protocol: EvaluationProtocol;
  /** At most 8. The first is what training minimises. */
  readonly measures: readonly Measure[];
  /** Tasks of which some value was not finite. Measures whose values have no range leave them out. */
  readonly divergedTasks: number;
}

export interface MetaStepSummary {
  /** Meta-steps applied so far. */
  readonly step: number;
  readonly iterations: number;
  /** Means over the last meta-batch, after adaptation. The first is what training minimises. */
  readonly measures: readonly MeasureValue[];
  readonly metaGradientNorm: number;
  /** How much the tasks of the last meta-batch agree: trace of their gradients' covariance, and mean cosine between two, −1 to 1. */
  readonly taskGradientVariance?: number;
  readonly taskGradientCosine?: number;
  readonly tasksPerSecond: number;
  readonly metaStepsPerSecond: number;
  readonly learningRate: number;
  readonly etaSeconds: number;
}

export interface CheckpointInfo {
  readonly step: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly paramsSha256: string;
}

export interface JobError {
  readonly code: string;
  readonly message: string;
}

export interface ShardRetried {
  readonly metaStep: number;
  readonly shard: number;
  readonly workerId: string;
  readonly reason: string;
}

export interface Job {
  readonly jobId: string;
  readonly name: string;
  readonly state: JobState;
  /** With every default filled in. */
  readonly spec: JobSpec;
  /** What its parts say of themselves. */
  readonly words: JobWords;
  /** The words of its published protocol; absent where there is none. */
  readonly publishedWords?: JobWords;
  readonly submittedAt?: Date;
  readonly startedAt?: Date;
  readonly endedAt?: Date;
  /** Meta-steps applied, of `iterations`. */
  readonly steps: number;
  readonly iterations: number;
  /** Empty before the first parameters. */
  readonly paramsSha256: string;
  /** Changes to the job file at submission, such as `meta.iterations=500`. */
  readonly overrides: readonly string[];
  readonly evaluations: readonly Evaluation[];
  /** The verdict on the last evaluation; only for a job that has succeeded. */
  readonly verdict?: Verdict;
  readonly checkpoints: readonly CheckpointInfo[];
  readonly error?: JobError;
  readonly lastMetaStep?: MetaStepSummary;
  /** Why the job computes nothing; absent while it computes and after its end. */
  readonly waiting?: Waiting;
  /** How its meta-steps are computed now; absent while none is. */
  readonly pace?: JobPace;
  readonly engineFingerprint: string;
  readonly mixedFingerprints: boolean;
  /** The job's data; empty before its first result, and if its tasks need no data. */
  readonly data: readonly DataIdentity[];
  /** The plugins whose parts it uses. */
  readonly plugins: readonly PluginIdentity[];
  readonly skippedTasks: number;
  /** The newest shards with skipped tasks; absent where there is none. */
  readonly skippedShards?: readonly SkippedShard[];
}

/** A job in a list. */
export interface JobSummary
  extends Pick<
    Job,
    | 'waiting'
    | 'jobId'
    | 'name'
    | 'state'
    | 'submittedAt'
    | 'startedAt'
    | 'endedAt'
    | 'steps'
    | 'iterations'
    | 'error'
    | 'lastMetaStep'
  > {
  readonly lastEvaluation?: EvaluationSummary;
  /** Of its job file. */
  readonly tags: readonly string[];
}

/** An evaluation at the last point of each measure. */
export type EvaluationSummary = Pick<Evaluation, 'step' | 'measures'>;

export interface SkippedShard {
  readonly metaStep: number;
  readonly shard: number;
  /** Skipped in this shard. */
  readonly count: number;
  /** Of the training split: the first 100 of them. */
  readonly tasks: readonly number[];
}

export type JobEvent = {
  /** Grows within a job; gaps only where old summaries were dropped. */
  readonly sequence: number;
  readonly time: Date;
  readonly jobId: string;
} & (
  | { readonly kind: 'stateChanged'; readonly state: JobState; readonly reason: string; readonly error?: JobError }
  | { readonly kind: 'metaStep'; readonly summary: MetaStepSummary }
  | { readonly kind: 'evaluated'; readonly evaluation: Evaluation }
  | { readonly kind: 'checkpointWritten'; readonly checkpoint: CheckpointInfo }
  | { readonly kind: 'shardRetried'; readonly retried: ShardRetried }
);

export type WorkerState = 'IDLE' | 'BUSY' | 'DRAINING' | 'QUARANTINED';

/** As the worker reports it; an empty text and zero bytes mean unknown. */
export interface WorkerDevice {
  /** `cpu`, `webgpu` or `cuda`. */
  readonly kind: string;
  readonly name: string;
  readonly memoryBytes: number;
  readonly driver: string;
}

export interface WorkerInfo {
  readonly workerId: string;
  readonly state: WorkerState;
  readonly address: string;
  /** The engine that it offers: `compiled` or `eager`. */
  readonly engine: string;
  readonly device: WorkerDevice;
  readonly engineFingerprint: string;
  readonly slots: number;
  readonly leases: number;
  readonly shardsCompleted: number;
  readonly connectedAt?: Date;
  readonly lastHeartbeatAt?: Date;
  /** Why it idles although shards are waiting; empty otherwise. */
  readonly idleReason: string;
  readonly version: string;
  /** Rejected results of the present stream. */
  readonly resultsRejected: number;
  /** The data of this stream's results. */
  readonly data: readonly DataIdentity[];
  /** The plugins that it has loaded. */
  readonly plugins: readonly PluginIdentity[];
}

export function summaryOfJobFromWire(job: JobSummary__Output): JobSummary {
  const { lastEvaluation } = job;
  return {
    ...outlineFromWire(job),
    tags: job.tags,
    ...(lastEvaluation && {
      lastEvaluation: { step: lastEvaluation.step, measures: lastEvaluation.measures.map(measureFromWire) },
    }),
  };
}

/** The fields that a job and its summary share. */
function outlineFromWire(job: Job__Output | JobSummary__Output) {
  return {
    jobId: job.jobId,
    name: job.name,
    state: shortState<JobState>(job.state),
    ...withTime('submittedAt', job.submittedAt),
    ...withTime('startedAt', job.startedAt),
    ...withTime('endedAt', job.endedAt),
    steps: job.steps,
    iterations: job.iterations,
    ...(job.error ? { error: errorFromWire(job.error) } : {}),
    ...(job.lastMetaStep ? { lastMetaStep: summaryFromWire(job.lastMetaStep) } : {}),
    ...(job.waiting ? { waiting: job.waiting as Waiting } : {}),
  };
}

const paceFromWire = ({ spans, reason, spanMs, sharedMs }: JobPace__Output): JobPace => ({
  spans,
  reason,
  ...(spanMs !== undefined && { spanMs }),
  ...(sharedMs !== undefined && { sharedMs }),
});

export function jobFromWire(job: Job__Output): Job {
  return {
    ...outlineFromWire(job),
    ...(job.pace ? { pace: paceFromWire(job.pace) } : {}),
    spec: JSON.parse(job.spec) as JobSpec,
    words: job.words ?? noWords,
    ...(job.publishedWords ? { publishedWords: job.publishedWords } : {}),
    paramsSha256: job.paramsSha256,
    overrides: job.overrides,
    evaluations: job.evaluations.map(evaluationFromWire),
    ...(job.verdict ? { verdict: verdictFromWire(job.verdict) } : {}),
    checkpoints: job.checkpoints.map(checkpointFromWire),
    engineFingerprint: job.engineFingerprint,
    mixedFingerprints: job.mixedFingerprints,
    data: job.data,
    plugins: job.plugins,
    skippedTasks: job.skippedTasks,
    ...(job.skippedShards.length > 0 ? { skippedShards: job.skippedShards } : {}),
  };
}

/** Undefined for an event kind that only a newer coordinator knows. */
export function eventFromWire(event: JobEvent__Output): JobEvent | undefined {
  const head = { sequence: event.sequence, time: dateFromWire(event.time) ?? new Date(0), jobId: event.jobId };
  if (event.stateChanged) {
    const { state, reason, error } = event.stateChanged;
    return {
      ...head,
      kind: 'stateChanged',
      state: shortState<JobState>(state),
      reason,
      ...(error ? { error: errorFromWire(error) } : {}),
    };
  }
  if (event.metaStep) return { ...head, kind: 'metaStep', summary: summaryFromWire(event.metaStep) };
  if (event.evaluated) return { ...head, kind: 'evaluated', evaluation: evaluationFromWire(event.evaluated) };
  if (event.checkpointWritten) {
    return { ...head, kind: 'checkpointWritten', checkpoint: checkpointFromWire(event.checkpointWritten) };
  }
  if (event.shardRetried) return { ...head, kind: 'shardRetried', retried: retriedFromWire(event.shardRetried) };
  return undefined;
}

/** The event as CloudEvents 1.0, as on NATS. */
export function clusterEventFromWire({ sequence, time, data, ...rest }: ClusterEvent__Output): ClusterEvent {
  const { id, source, type, subject } = rest;
  return {
    specversion: '1.0',
    id,
    source,
    type,
    subject,
    time: (dateFromWire(time) ?? new Date(0)).toISOString(),
    datacontenttype: 'application/json',
    sequence: sequenceText(sequence),
    data: JSON.parse(data),
  } as ClusterEvent;
}

export function workerFromWire(worker: WorkerInfo__Output): WorkerInfo {
  return {
    workerId: worker.workerId,
    state: shortState<WorkerState>(worker.state),
    address: worker.address,
    engine: worker.engine,
    device: deviceFromWire(worker.device),
    engineFingerprint: worker.engineFingerprint,
    slots: worker.slots,
    leases: worker.leases,
    shardsCompleted: worker.shardsCompleted,
    ...withTime('connectedAt', worker.connectedAt),
    ...withTime('lastHeartbeatAt', worker.lastHeartbeatAt),
    idleReason: worker.idleReason,
    version: worker.version,
    resultsRejected: worker.resultsRejected,
    data: worker.data,
    plugins: worker.plugins,
  };
}

function deviceFromWire(device: Device__Output | null): WorkerDevice {
  const { kind = '', name = '', memoryBytes = 0, driver = '' } = device ?? {};
  return { kind, name, memoryBytes, driver };
}

export function checkpointFromWire({ step, bytes, sha256, paramsSha256 }: CheckpointInfo__Output): CheckpointInfo {
  return { step, bytes, sha256, paramsSha256 };
}

export function evaluationFromWire(evaluation: Evaluation__Output): Evaluation {
  const { step, protocol, measures, divergedTasks } = evaluation;
  if (!protocol) throw new TypeError('the coordinator sent an evaluation without its protocol');
  const { ensemble, ...ofOne } = protocol;
  return {
    step,
    protocol: ensemble.length > 0 ? { ...ofOne, ensemble } : ofOne,
    measures: measures.map(measureFromWire),
    divergedTasks,
  };
}

const measureFromWire = ({ name, title, axis, points, better, unit, estimates }: Measure__Output): Measure => ({
  name,
  title,
  axis,
  points,
  better: better as Measure['better'],
  unit: unit as Measure['unit'],
  estimates,
});

export function summaryFromWire(summary: MetaStepSummary__Output): MetaStepSummary {
  const { _taskGradientVariance, taskGradientVariance, _taskGradientCosine, taskGradientCosine, ...others } = summary;
  const { measures, ...rest } = others;
  return {
    ...rest,
    measures: measures.map(({ name, value, unit }) => ({ name, value, unit: unit as MeasureValue['unit'] })),
    ...(_taskGradientVariance && taskGradientVariance !== undefined && { taskGradientVariance }),
    ...(_taskGradientCosine && taskGradientCosine !== undefined && { taskGradientCosine }),
  };
}

const verdictFromWire = ({ outcome, text, differences, obstacles }: Verdict__Output): Verdict => ({
  outcome: outcome as Verdict['outcome'],
  text,
  differences,
  obstacles,
});

const errorFromWire = ({ code, message }: JobError__Output): JobError => ({ code, message });

const retriedFromWire = ({ metaStep, shard, workerId, reason }: ShardRetried__Output): ShardRetried => ({
  metaStep,
  shard,
  workerId,
  reason,
});

/** `JOB_STATE_RUNNING` → `RUNNING`. */
const shortState = <State extends string>(state: string): State => state.replace(/^[A-Z]+_STATE_/, '') as State;

export function dateFromWire(time: Timestamp__Output | null): Date | undefined {
  return time ? new Date(time.seconds * 1000 + Math.floor(time.nanos / 1e6)) : undefined;
}

function withTime<Name extends string>(name: Name, time: Timestamp__Output | null): { [key in Name]?: Date } {
  const date = dateFromWire(time);
  return (date ? { [name]: date } : {}) as { [key in Name]?: Date };
}
