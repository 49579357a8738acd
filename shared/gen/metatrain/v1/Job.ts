// Original file: proto/metatrain/v1/job.proto

import type { JobState as _metatrain_v1_JobState, JobState__Output as _metatrain_v1_JobState__Output } from '../../metatrain/v1/JobState.ts';
import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.ts';
import type { Evaluation as _metatrain_v1_Evaluation, Evaluation__Output as _metatrain_v1_Evaluation__Output } from '../../metatrain/v1/Evaluation.ts';
import type { CheckpointInfo as _metatrain_v1_CheckpointInfo, CheckpointInfo__Output as _metatrain_v1_CheckpointInfo__Output } from '../../metatrain/v1/CheckpointInfo.ts';
import type { JobError as _metatrain_v1_JobError, JobError__Output as _metatrain_v1_JobError__Output } from '../../metatrain/v1/JobError.ts';
import type { MetaStepSummary as _metatrain_v1_MetaStepSummary, MetaStepSummary__Output as _metatrain_v1_MetaStepSummary__Output } from '../../metatrain/v1/MetaStepSummary.ts';
import type { SkippedShard as _metatrain_v1_SkippedShard, SkippedShard__Output as _metatrain_v1_SkippedShard__Output } from '../../metatrain/v1/SkippedShard.ts';
import type { Verdict as _metatrain_v1_Verdict, Verdict__Output as _metatrain_v1_Verdict__Output } from '../../metatrain/v1/Verdict.ts';
import type { JobWaiting as _metatrain_v1_JobWaiting, JobWaiting__Output as _metatrain_v1_JobWaiting__Output } from '../../metatrain/v1/JobWaiting.ts';
import type { JobPace as _metatrain_v1_JobPace, JobPace__Output as _metatrain_v1_JobPace__Output } from '../../metatrain/v1/JobPace.ts';
import type { DataIdentity as _metatrain_v1_DataIdentity, DataIdentity__Output as _metatrain_v1_DataIdentity__Output } from '../../metatrain/v1/DataIdentity.ts';
import type { JobWords as _metatrain_v1_JobWords, JobWords__Output as _metatrain_v1_JobWords__Output } from '../../metatrain/v1/JobWords.ts';
import type { PluginIdentity as _metatrain_v1_PluginIdentity, PluginIdentity__Output as _metatrain_v1_PluginIdentity__Output } from '../../metatrain/v1/PluginIdentity.ts';
import type { Long } from '@grpc/proto-loader';

export interface Job {
  'jobId'?: (string);
  'name'?: (string);
  'state'?: (_metatrain_v1_JobState);
  'spec'?: (string);
  'submittedAt'?: (_google_protobuf_Timestamp | null);
  'startedAt'?: (_google_protobuf_Timestamp | null);
  'endedAt'?: (_google_protobuf_Timestamp | null);
  'steps'?: (number | string | Long);
  'iterations'?: (number | string | Long);
  'paramsSha256'?: (string);
  'evaluations'?: (_metatrain_v1_Evaluation)[];
  'checkpoints'?: (_metatrain_v1_CheckpointInfo)[];
  'error'?: (_metatrain_v1_JobError | null);
  'lastMetaStep'?: (_metatrain_v1_MetaStepSummary | null);
  'engineFingerprint'?: (string);
  'mixedFingerprints'?: (boolean);
  'skippedTasks'?: (number | string | Long);
  'skippedShards'?: (_metatrain_v1_SkippedShard)[];
  'overrides'?: (string)[];
  'verdict'?: (_metatrain_v1_Verdict | null);
  'waiting'?: (_metatrain_v1_JobWaiting | null);
  'pace'?: (_metatrain_v1_JobPace | null);
  'data'?: (_metatrain_v1_DataIdentity)[];
  'words'?: (_metatrain_v1_JobWords | null);
  'publishedWords'?: (_metatrain_v1_JobWords | null);
  'plugins'?: (_metatrain_v1_PluginIdentity)[];
}

export interface Job__Output {
  'jobId': (string);
  'name': (string);
  'state': (_metatrain_v1_JobState__Output);
  'spec': (string);
  'submittedAt': (_google_protobuf_Timestamp__Output | null);
  'startedAt': (_google_protobuf_Timestamp__Output | null);
  'endedAt': (_google_protobuf_Timestamp__Output | null);
  'steps': (number);
  'iterations': (number);
  'paramsSha256': (string);
  'evaluations': (_metatrain_v1_Evaluation__Output)[];
  'checkpoints': (_metatrain_v1_CheckpointInfo__Output)[];
  'error': (_metatrain_v1_JobError__Output | null);
  'lastMetaStep': (_metatrain_v1_MetaStepSummary__Output | null);
  'engineFingerprint': (string);
  'mixedFingerprints': (boolean);
  'skippedTasks': (number);
  'skippedShards': (_metatrain_v1_SkippedShard__Output)[];
  'overrides': (string)[];
  'verdict': (_metatrain_v1_Verdict__Output | null);
  'waiting': (_metatrain_v1_JobWaiting__Output | null);
  'pace': (_metatrain_v1_JobPace__Output | null);
  'data': (_metatrain_v1_DataIdentity__Output)[];
  'words': (_metatrain_v1_JobWords__Output | null);
  'publishedWords': (_metatrain_v1_JobWords__Output | null);
  'plugins': (_metatrain_v1_PluginIdentity__Output)[];
}
