// Original file: proto/metatrain/v1/job.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.ts';
import type { JobStateChanged as _metatrain_v1_JobStateChanged, JobStateChanged__Output as _metatrain_v1_JobStateChanged__Output } from '../../metatrain/v1/JobStateChanged.ts';
import type { MetaStepSummary as _metatrain_v1_MetaStepSummary, MetaStepSummary__Output as _metatrain_v1_MetaStepSummary__Output } from '../../metatrain/v1/MetaStepSummary.ts';
import type { Evaluation as _metatrain_v1_Evaluation, Evaluation__Output as _metatrain_v1_Evaluation__Output } from '../../metatrain/v1/Evaluation.ts';
import type { CheckpointInfo as _metatrain_v1_CheckpointInfo, CheckpointInfo__Output as _metatrain_v1_CheckpointInfo__Output } from '../../metatrain/v1/CheckpointInfo.ts';
import type { ShardRetried as _metatrain_v1_ShardRetried, ShardRetried__Output as _metatrain_v1_ShardRetried__Output } from '../../metatrain/v1/ShardRetried.ts';
import type { Long } from '@grpc/proto-loader';

export interface JobEvent {
  'sequence'?: (number | string | Long);
  'time'?: (_google_protobuf_Timestamp | null);
  'jobId'?: (string);
  'stateChanged'?: (_metatrain_v1_JobStateChanged | null);
  'metaStep'?: (_metatrain_v1_MetaStepSummary | null);
  'evaluated'?: (_metatrain_v1_Evaluation | null);
  'checkpointWritten'?: (_metatrain_v1_CheckpointInfo | null);
  'shardRetried'?: (_metatrain_v1_ShardRetried | null);
  'event'?: "stateChanged"|"metaStep"|"evaluated"|"checkpointWritten"|"shardRetried";
}

export interface JobEvent__Output {
  'sequence': (number);
  'time': (_google_protobuf_Timestamp__Output | null);
  'jobId': (string);
  'stateChanged'?: (_metatrain_v1_JobStateChanged__Output | null);
  'metaStep'?: (_metatrain_v1_MetaStepSummary__Output | null);
  'evaluated'?: (_metatrain_v1_Evaluation__Output | null);
  'checkpointWritten'?: (_metatrain_v1_CheckpointInfo__Output | null);
  'shardRetried'?: (_metatrain_v1_ShardRetried__Output | null);
  'event'?: "stateChanged"|"metaStep"|"evaluated"|"checkpointWritten"|"shardRetried";
}
