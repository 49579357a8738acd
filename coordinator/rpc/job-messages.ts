// Records as messages of JobService and ClusterService.
import type { Timestamp } from '../../shared/gen/google/protobuf/Timestamp.ts';
import type { CheckpointInfo } from '../../shared/gen/metatrain/v1/CheckpointInfo.ts';
import type { Evaluation } from '../../shared/gen/metatrain/v1/Evaluation.ts';
import type { Job } from '../../shared/gen/metatrain/v1/Job.ts';
import type { JobEvent } from '../../shared/gen/metatrain/v1/JobEvent.ts';
import type { JobState } from '../../shared/gen/metatrain/v1/JobState.ts';
import type { JobSummary } from '../../shared/gen/metatrain/v1/JobSummary.ts';
import type { Measure as MeasureMessage } from '../../shared/gen/metatrain/v1/Measure.ts';
import type { MetaStepSummary } from '../../shared/gen/metatrain/v1/MetaStepSummary.ts';
import { atLastPoint, type Measure } from '../../shared/measures.ts';
import type { JobPace } from '../../shared/pace.ts';
import type { Waiting } from '../../shared/waiting.ts';
import {
  askedFor,
  type CheckpointRecord,
  type EvaluationRecord,
  type JobEventBody,
  type JobEventRecord,
  type JobRecord,
  type JobStateName,
  type MetaStepRecord,
  tagsOf,
} from '../store/job-record.ts';

const stateNumbers = {
  queued: 'JOB_STATE_QUEUED',
  running: 'JOB_STATE_RUNNING',
  paused: 'JOB_STATE_PAUSED',
  succeeded: 'JOB_STATE_SUCCEEDED',
  failed: 'JOB_STATE_FAILED',
  cancelled: 'JOB_STATE_CANCELLED',
} as const satisfies Record<JobStateName, JobState>;

export const stateMessage = (state: JobStateName): JobState => stateNumbers[state];

/** Undefined for a state that is none of ours. */
export function stateOfMessage(message: JobState): JobStateName | undefined {
  for (const [state, name] of Object.entries(stateNumbers)) if (name === message) return state as JobStateName;
  return undefined;
}

export const timestamp = (ms: number): Timestamp => ({
  seconds: Math.floor(ms / 1_000),
  nanos: Math.floor(ms % 1_000) * 1_000_000,
});

/**
 * @param waiting why it computes nothing, where that is so.
 * @param pace how its meta-steps are computed, where some are.
 */
export function jobMessage(record: JobRecord, waiting?: Waiting, pace?: JobPace): Job {
  return {
    jobId: record.jobId,
    name: record.name,
    state: stateMessage(record.state),
    spec: record.spec,
    submittedAt: timestamp(record.submittedAt),
    startedAt: record.startedAt === undefined ? null : timestamp(record.startedAt),
    endedAt: record.endedAt === undefined ? null : timestamp(record.endedAt),
    steps: record.steps,
    iterations: record.iterations,
    paramsSha256: record.paramsSha256,
    evaluations: record.evaluations.map(evaluationMessage),
    checkpoints: askedFor(record).map(checkpointMessage),
    error: record.error ?? null,
    lastMetaStep: record.lastMetaStep ? metaStepMessage(record.lastMetaStep) : null,
    engineFingerprint: record.engineFingerprint ?? '',
    mixedFingerprints: record.hasMixedFingerprints,
    data: [...(record.data ?? [])],
    plugins: [...(record.plugins ?? [])],
    skippedTasks: record.skippedTasks,
    waiting: waiting ?? null,
    pace: pace ?? null,
    words: record.words,
    publishedWords: record.publishedWords ?? null,
    overrides: [...(record.overrides ?? [])],
    verdict: record.verdict
      ? {
          ...record.verdict,
          differences: [...record.verdict.differences],
          obstacles: [...record.verdict.obstacles],
        }
      : null,
    skippedShards: (record.skippedShards ?? []).map((skipped) => ({ ...skipped, tasks: [...skipped.tasks] })),
  };
}

/** What a list tells of a job. Small, whatever the job holds. */
export function summaryMessage(record: JobRecord, waiting?: Waiting): JobSummary {
  const { jobId, name, state, submittedAt, startedAt, endedAt, steps, iterations, error, lastMetaStep } = record;
  const evaluation = record.evaluations.at(-1);
  return {
    jobId,
    name,
    state: stateMessage(state),
    submittedAt: timestamp(submittedAt),
    startedAt: startedAt === undefined ? null : timestamp(startedAt),
    endedAt: endedAt === undefined ? null : timestamp(endedAt),
    steps,
    iterations,
    error: error ?? null,
    lastMetaStep: lastMetaStep ? metaStepMessage(lastMetaStep) : null,
    waiting: waiting ?? null,
    tags: tagsOf(record),
    lastEvaluation: evaluation
      ? { step: evaluation.step, measures: atLastPoint(evaluation.measures).map(measureMessage) }
      : null,
  };
}

const evaluationMessage = (evaluation: EvaluationRecord): Evaluation => ({
  ...evaluation,
  protocol: { ...evaluation.protocol, ensemble: [...(evaluation.protocol.ensemble ?? [])] },
  measures: evaluation.measures.map(measureMessage),
});

const measureMessage = ({ points, estimates, ...head }: Measure): MeasureMessage => ({
  ...head,
  points: [...points],
  estimates: [...estimates],
});

const metaStepMessage = (summary: MetaStepRecord): MetaStepSummary => ({
  ...summary,
  measures: [...summary.measures],
});

export const checkpointMessage = ({ step, sha256, bytes, paramsSha256 }: CheckpointRecord): CheckpointInfo => ({
  step,
  sha256,
  bytes,
  paramsSha256,
});

export function eventMessage(jobId: string, { sequence, at, body }: JobEventRecord): JobEvent {
  return { sequence, time: timestamp(at), jobId, ...bodyMessage(body) };
}

function bodyMessage(body: JobEventBody): JobEvent {
  switch (body.kind) {
    case 'stateChanged':
      return { stateChanged: { state: stateMessage(body.state), reason: body.reason, error: body.error ?? null } };
    case 'metaStep':
      return { metaStep: metaStepMessage(body.summary) };
    case 'evaluated':
      return { evaluated: evaluationMessage(body.evaluation) };
    case 'checkpointWritten':
      return { checkpointWritten: checkpointMessage(body.checkpoint) };
    case 'shardRetried': {
      const { metaStep, shard, workerId, reason } = body;
      return { shardRetried: { metaStep, shard, workerId, reason } };
    }
    default:
      return body satisfies never;
  }
}
