import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from './google/protobuf/Timestamp.ts';
import type { CancelJobRequest as _metatrain_v1_CancelJobRequest, CancelJobRequest__Output as _metatrain_v1_CancelJobRequest__Output } from './metatrain/v1/CancelJobRequest.ts';
import type { CheckpointChunk as _metatrain_v1_CheckpointChunk, CheckpointChunk__Output as _metatrain_v1_CheckpointChunk__Output } from './metatrain/v1/CheckpointChunk.ts';
import type { CheckpointInfo as _metatrain_v1_CheckpointInfo, CheckpointInfo__Output as _metatrain_v1_CheckpointInfo__Output } from './metatrain/v1/CheckpointInfo.ts';
import type { DataIdentity as _metatrain_v1_DataIdentity, DataIdentity__Output as _metatrain_v1_DataIdentity__Output } from './metatrain/v1/DataIdentity.ts';
import type { DeleteJobRequest as _metatrain_v1_DeleteJobRequest, DeleteJobRequest__Output as _metatrain_v1_DeleteJobRequest__Output } from './metatrain/v1/DeleteJobRequest.ts';
import type { DeleteJobResponse as _metatrain_v1_DeleteJobResponse, DeleteJobResponse__Output as _metatrain_v1_DeleteJobResponse__Output } from './metatrain/v1/DeleteJobResponse.ts';
import type { DownloadCheckpointRequest as _metatrain_v1_DownloadCheckpointRequest, DownloadCheckpointRequest__Output as _metatrain_v1_DownloadCheckpointRequest__Output } from './metatrain/v1/DownloadCheckpointRequest.ts';
import type { Estimate as _metatrain_v1_Estimate, Estimate__Output as _metatrain_v1_Estimate__Output } from './metatrain/v1/Estimate.ts';
import type { Evaluation as _metatrain_v1_Evaluation, Evaluation__Output as _metatrain_v1_Evaluation__Output } from './metatrain/v1/Evaluation.ts';
import type { EvaluationProtocol as _metatrain_v1_EvaluationProtocol, EvaluationProtocol__Output as _metatrain_v1_EvaluationProtocol__Output } from './metatrain/v1/EvaluationProtocol.ts';
import type { EvaluationSummary as _metatrain_v1_EvaluationSummary, EvaluationSummary__Output as _metatrain_v1_EvaluationSummary__Output } from './metatrain/v1/EvaluationSummary.ts';
import type { GetJobRequest as _metatrain_v1_GetJobRequest, GetJobRequest__Output as _metatrain_v1_GetJobRequest__Output } from './metatrain/v1/GetJobRequest.ts';
import type { GetShardRequest as _metatrain_v1_GetShardRequest, GetShardRequest__Output as _metatrain_v1_GetShardRequest__Output } from './metatrain/v1/GetShardRequest.ts';
import type { Job as _metatrain_v1_Job, Job__Output as _metatrain_v1_Job__Output } from './metatrain/v1/Job.ts';
import type { JobError as _metatrain_v1_JobError, JobError__Output as _metatrain_v1_JobError__Output } from './metatrain/v1/JobError.ts';
import type { JobEvent as _metatrain_v1_JobEvent, JobEvent__Output as _metatrain_v1_JobEvent__Output } from './metatrain/v1/JobEvent.ts';
import type { JobPace as _metatrain_v1_JobPace, JobPace__Output as _metatrain_v1_JobPace__Output } from './metatrain/v1/JobPace.ts';
import type { JobServiceClient as _metatrain_v1_JobServiceClient, JobServiceDefinition as _metatrain_v1_JobServiceDefinition } from './metatrain/v1/JobService.ts';
import type { JobStateChanged as _metatrain_v1_JobStateChanged, JobStateChanged__Output as _metatrain_v1_JobStateChanged__Output } from './metatrain/v1/JobStateChanged.ts';
import type { JobSummary as _metatrain_v1_JobSummary, JobSummary__Output as _metatrain_v1_JobSummary__Output } from './metatrain/v1/JobSummary.ts';
import type { JobWaiting as _metatrain_v1_JobWaiting, JobWaiting__Output as _metatrain_v1_JobWaiting__Output } from './metatrain/v1/JobWaiting.ts';
import type { JobWords as _metatrain_v1_JobWords, JobWords__Output as _metatrain_v1_JobWords__Output } from './metatrain/v1/JobWords.ts';
import type { ListJobsRequest as _metatrain_v1_ListJobsRequest, ListJobsRequest__Output as _metatrain_v1_ListJobsRequest__Output } from './metatrain/v1/ListJobsRequest.ts';
import type { ListJobsResponse as _metatrain_v1_ListJobsResponse, ListJobsResponse__Output as _metatrain_v1_ListJobsResponse__Output } from './metatrain/v1/ListJobsResponse.ts';
import type { Measure as _metatrain_v1_Measure, Measure__Output as _metatrain_v1_Measure__Output } from './metatrain/v1/Measure.ts';
import type { MeasureValue as _metatrain_v1_MeasureValue, MeasureValue__Output as _metatrain_v1_MeasureValue__Output } from './metatrain/v1/MeasureValue.ts';
import type { MetaStepSummary as _metatrain_v1_MetaStepSummary, MetaStepSummary__Output as _metatrain_v1_MetaStepSummary__Output } from './metatrain/v1/MetaStepSummary.ts';
import type { PauseJobRequest as _metatrain_v1_PauseJobRequest, PauseJobRequest__Output as _metatrain_v1_PauseJobRequest__Output } from './metatrain/v1/PauseJobRequest.ts';
import type { PluginIdentity as _metatrain_v1_PluginIdentity, PluginIdentity__Output as _metatrain_v1_PluginIdentity__Output } from './metatrain/v1/PluginIdentity.ts';
import type { ResumeJobRequest as _metatrain_v1_ResumeJobRequest, ResumeJobRequest__Output as _metatrain_v1_ResumeJobRequest__Output } from './metatrain/v1/ResumeJobRequest.ts';
import type { ShardRecord as _metatrain_v1_ShardRecord, ShardRecord__Output as _metatrain_v1_ShardRecord__Output } from './metatrain/v1/ShardRecord.ts';
import type { ShardRetried as _metatrain_v1_ShardRetried, ShardRetried__Output as _metatrain_v1_ShardRetried__Output } from './metatrain/v1/ShardRetried.ts';
import type { SkippedShard as _metatrain_v1_SkippedShard, SkippedShard__Output as _metatrain_v1_SkippedShard__Output } from './metatrain/v1/SkippedShard.ts';
import type { SubmitJobRequest as _metatrain_v1_SubmitJobRequest, SubmitJobRequest__Output as _metatrain_v1_SubmitJobRequest__Output } from './metatrain/v1/SubmitJobRequest.ts';
import type { SubmitJobResponse as _metatrain_v1_SubmitJobResponse, SubmitJobResponse__Output as _metatrain_v1_SubmitJobResponse__Output } from './metatrain/v1/SubmitJobResponse.ts';
import type { Verdict as _metatrain_v1_Verdict, Verdict__Output as _metatrain_v1_Verdict__Output } from './metatrain/v1/Verdict.ts';
import type { WatchJobRequest as _metatrain_v1_WatchJobRequest, WatchJobRequest__Output as _metatrain_v1_WatchJobRequest__Output } from './metatrain/v1/WatchJobRequest.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  google: {
    protobuf: {
      Timestamp: MessageTypeDefinition<_google_protobuf_Timestamp, _google_protobuf_Timestamp__Output>
    }
  }
  metatrain: {
    v1: {
      CancelJobRequest: MessageTypeDefinition<_metatrain_v1_CancelJobRequest, _metatrain_v1_CancelJobRequest__Output>
      CheckpointChunk: MessageTypeDefinition<_metatrain_v1_CheckpointChunk, _metatrain_v1_CheckpointChunk__Output>
      CheckpointInfo: MessageTypeDefinition<_metatrain_v1_CheckpointInfo, _metatrain_v1_CheckpointInfo__Output>
      DataIdentity: MessageTypeDefinition<_metatrain_v1_DataIdentity, _metatrain_v1_DataIdentity__Output>
      DeleteJobRequest: MessageTypeDefinition<_metatrain_v1_DeleteJobRequest, _metatrain_v1_DeleteJobRequest__Output>
      DeleteJobResponse: MessageTypeDefinition<_metatrain_v1_DeleteJobResponse, _metatrain_v1_DeleteJobResponse__Output>
      DownloadCheckpointRequest: MessageTypeDefinition<_metatrain_v1_DownloadCheckpointRequest, _metatrain_v1_DownloadCheckpointRequest__Output>
      Estimate: MessageTypeDefinition<_metatrain_v1_Estimate, _metatrain_v1_Estimate__Output>
      Evaluation: MessageTypeDefinition<_metatrain_v1_Evaluation, _metatrain_v1_Evaluation__Output>
      EvaluationProtocol: MessageTypeDefinition<_metatrain_v1_EvaluationProtocol, _metatrain_v1_EvaluationProtocol__Output>
      EvaluationSummary: MessageTypeDefinition<_metatrain_v1_EvaluationSummary, _metatrain_v1_EvaluationSummary__Output>
      GetJobRequest: MessageTypeDefinition<_metatrain_v1_GetJobRequest, _metatrain_v1_GetJobRequest__Output>
      GetShardRequest: MessageTypeDefinition<_metatrain_v1_GetShardRequest, _metatrain_v1_GetShardRequest__Output>
      Job: MessageTypeDefinition<_metatrain_v1_Job, _metatrain_v1_Job__Output>
      JobError: MessageTypeDefinition<_metatrain_v1_JobError, _metatrain_v1_JobError__Output>
      JobEvent: MessageTypeDefinition<_metatrain_v1_JobEvent, _metatrain_v1_JobEvent__Output>
      JobPace: MessageTypeDefinition<_metatrain_v1_JobPace, _metatrain_v1_JobPace__Output>
      JobService: SubtypeConstructor<typeof grpc.Client, _metatrain_v1_JobServiceClient> & { service: _metatrain_v1_JobServiceDefinition }
      JobState: EnumTypeDefinition
      JobStateChanged: MessageTypeDefinition<_metatrain_v1_JobStateChanged, _metatrain_v1_JobStateChanged__Output>
      JobSummary: MessageTypeDefinition<_metatrain_v1_JobSummary, _metatrain_v1_JobSummary__Output>
      JobWaiting: MessageTypeDefinition<_metatrain_v1_JobWaiting, _metatrain_v1_JobWaiting__Output>
      JobWords: MessageTypeDefinition<_metatrain_v1_JobWords, _metatrain_v1_JobWords__Output>
      ListJobsRequest: MessageTypeDefinition<_metatrain_v1_ListJobsRequest, _metatrain_v1_ListJobsRequest__Output>
      ListJobsResponse: MessageTypeDefinition<_metatrain_v1_ListJobsResponse, _metatrain_v1_ListJobsResponse__Output>
      Measure: MessageTypeDefinition<_metatrain_v1_Measure, _metatrain_v1_Measure__Output>
      MeasureValue: MessageTypeDefinition<_metatrain_v1_MeasureValue, _metatrain_v1_MeasureValue__Output>
      MetaStepSummary: MessageTypeDefinition<_metatrain_v1_MetaStepSummary, _metatrain_v1_MetaStepSummary__Output>
      PauseJobRequest: MessageTypeDefinition<_metatrain_v1_PauseJobRequest, _metatrain_v1_PauseJobRequest__Output>
      PluginIdentity: MessageTypeDefinition<_metatrain_v1_PluginIdentity, _metatrain_v1_PluginIdentity__Output>
      ResumeJobRequest: MessageTypeDefinition<_metatrain_v1_ResumeJobRequest, _metatrain_v1_ResumeJobRequest__Output>
      ShardRecord: MessageTypeDefinition<_metatrain_v1_ShardRecord, _metatrain_v1_ShardRecord__Output>
      ShardRetried: MessageTypeDefinition<_metatrain_v1_ShardRetried, _metatrain_v1_ShardRetried__Output>
      SkippedShard: MessageTypeDefinition<_metatrain_v1_SkippedShard, _metatrain_v1_SkippedShard__Output>
      SubmitJobRequest: MessageTypeDefinition<_metatrain_v1_SubmitJobRequest, _metatrain_v1_SubmitJobRequest__Output>
      SubmitJobResponse: MessageTypeDefinition<_metatrain_v1_SubmitJobResponse, _metatrain_v1_SubmitJobResponse__Output>
      Verdict: MessageTypeDefinition<_metatrain_v1_Verdict, _metatrain_v1_Verdict__Output>
      WatchJobRequest: MessageTypeDefinition<_metatrain_v1_WatchJobRequest, _metatrain_v1_WatchJobRequest__Output>
    }
  }
}

