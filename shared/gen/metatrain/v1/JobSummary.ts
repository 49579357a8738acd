// Original file: proto/metatrain/v1/job.proto

import type { JobState as _metatrain_v1_JobState, JobState__Output as _metatrain_v1_JobState__Output } from '../../metatrain/v1/JobState.ts';
import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.ts';
import type { JobError as _metatrain_v1_JobError, JobError__Output as _metatrain_v1_JobError__Output } from '../../metatrain/v1/JobError.ts';
import type { MetaStepSummary as _metatrain_v1_MetaStepSummary, MetaStepSummary__Output as _metatrain_v1_MetaStepSummary__Output } from '../../metatrain/v1/MetaStepSummary.ts';
import type { EvaluationSummary as _metatrain_v1_EvaluationSummary, EvaluationSummary__Output as _metatrain_v1_EvaluationSummary__Output } from '../../metatrain/v1/EvaluationSummary.ts';
import type { JobWaiting as _metatrain_v1_JobWaiting, JobWaiting__Output as _metatrain_v1_JobWaiting__Output } from '../../metatrain/v1/JobWaiting.ts';
import type { Long } from '@grpc/proto-loader';

export interface JobSummary {
  'jobId'?: (string);
  'name'?: (string);
  'state'?: (_metatrain_v1_JobState);
  'submittedAt'?: (_google_protobuf_Timestamp | null);
  'startedAt'?: (_google_protobuf_Timestamp | null);
  'endedAt'?: (_google_protobuf_Timestamp | null);
  'steps'?: (number | string | Long);
  'iterations'?: (number | string | Long);
  'error'?: (_metatrain_v1_JobError | null);
  'lastMetaStep'?: (_metatrain_v1_MetaStepSummary | null);
  'lastEvaluation'?: (_metatrain_v1_EvaluationSummary | null);
  'waiting'?: (_metatrain_v1_JobWaiting | null);
  'tags'?: (string)[];
}

export interface JobSummary__Output {
  'jobId': (string);
  'name': (string);
  'state': (_metatrain_v1_JobState__Output);
  'submittedAt': (_google_protobuf_Timestamp__Output | null);
  'startedAt': (_google_protobuf_Timestamp__Output | null);
  'endedAt': (_google_protobuf_Timestamp__Output | null);
  'steps': (number);
  'iterations': (number);
  'error': (_metatrain_v1_JobError__Output | null);
  'lastMetaStep': (_metatrain_v1_MetaStepSummary__Output | null);
  'lastEvaluation': (_metatrain_v1_EvaluationSummary__Output | null);
  'waiting': (_metatrain_v1_JobWaiting__Output | null);
  'tags': (string)[];
}
