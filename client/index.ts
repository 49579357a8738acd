// The client library: submit, follow and read jobs. Only these exports are stable.
export type { ClusterEvent, EventData, EventName } from '../shared/cluster-event.ts';
export { type Connection, type ConnectionOptions, connectionTo } from '../shared/connection.ts';
export type { DataIdentity } from '../shared/data-identity.ts';
export { type ErrorCode, MetatrainError } from '../shared/errors.ts';
export type { JobSpec } from '../shared/job-spec/index.ts';
export type { Waiting, WaitReason } from '../shared/waiting.ts';
export { historyOf, type JobHistory, type StoryEvent } from './history.ts';
export {
  type CallControl,
  type DownloadOptions,
  type ListJobsOptions,
  MetatrainClient,
  type MetatrainClientOptions,
  type SubmitOptions,
  type WatchEventsOptions,
} from './metatrain-client.ts';
export {
  type AdaptedModel,
  type AdaptOptions,
  ModelCalls,
  type ModelInputs,
  type ModelOptions,
  type Predictions,
  type SupportSet,
} from './models.ts';
export { parseJobSpec } from './parse-job-spec.ts';
export type { PatienceOptions } from './patience.ts';
export {
  type CheckpointInfo,
  type Estimate,
  type Evaluation,
  type EvaluationProtocol,
  type EvaluationSummary,
  hasEnded,
  type Job,
  type JobError,
  type JobEvent,
  type JobState,
  type JobSummary,
  jobStates,
  type Measure,
  type MeasureValue,
  type MetaStepSummary,
  type ShardRetried,
  type SkippedShard,
  type Verdict,
  type WorkerDevice,
  type WorkerInfo,
  type WorkerState,
} from './records.ts';
export type { WatchOptions } from './watch.ts';
