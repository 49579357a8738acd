// Original file: proto/metatrain/v1/job.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CancelJobRequest as _metatrain_v1_CancelJobRequest, CancelJobRequest__Output as _metatrain_v1_CancelJobRequest__Output } from '../../metatrain/v1/CancelJobRequest.ts';
import type { CheckpointChunk as _metatrain_v1_CheckpointChunk, CheckpointChunk__Output as _metatrain_v1_CheckpointChunk__Output } from '../../metatrain/v1/CheckpointChunk.ts';
import type { DeleteJobRequest as _metatrain_v1_DeleteJobRequest, DeleteJobRequest__Output as _metatrain_v1_DeleteJobRequest__Output } from '../../metatrain/v1/DeleteJobRequest.ts';
import type { DeleteJobResponse as _metatrain_v1_DeleteJobResponse, DeleteJobResponse__Output as _metatrain_v1_DeleteJobResponse__Output } from '../../metatrain/v1/DeleteJobResponse.ts';
import type { DownloadCheckpointRequest as _metatrain_v1_DownloadCheckpointRequest, DownloadCheckpointRequest__Output as _metatrain_v1_DownloadCheckpointRequest__Output } from '../../metatrain/v1/DownloadCheckpointRequest.ts';
import type { GetJobRequest as _metatrain_v1_GetJobRequest, GetJobRequest__Output as _metatrain_v1_GetJobRequest__Output } from '../../metatrain/v1/GetJobRequest.ts';
import type { GetShardRequest as _metatrain_v1_GetShardRequest, GetShardRequest__Output as _metatrain_v1_GetShardRequest__Output } from '../../metatrain/v1/GetShardRequest.ts';
import type { Job as _metatrain_v1_Job, Job__Output as _metatrain_v1_Job__Output } from '../../metatrain/v1/Job.ts';
import type { JobEvent as _metatrain_v1_JobEvent, JobEvent__Output as _metatrain_v1_JobEvent__Output } from '../../metatrain/v1/JobEvent.ts';
import type { ListJobsRequest as _metatrain_v1_ListJobsRequest, ListJobsRequest__Output as _metatrain_v1_ListJobsRequest__Output } from '../../metatrain/v1/ListJobsRequest.ts';
import type { ListJobsResponse as _metatrain_v1_ListJobsResponse, ListJobsResponse__Output as _metatrain_v1_ListJobsResponse__Output } from '../../metatrain/v1/ListJobsResponse.ts';
import type { PauseJobRequest as _metatrain_v1_PauseJobRequest, PauseJobRequest__Output as _metatrain_v1_PauseJobRequest__Output } from '../../metatrain/v1/PauseJobRequest.ts';
import type { ResumeJobRequest as _metatrain_v1_ResumeJobRequest, ResumeJobRequest__Output as _metatrain_v1_ResumeJobRequest__Output } from '../../metatrain/v1/ResumeJobRequest.ts';
import type { ShardRecord as _metatrain_v1_ShardRecord, ShardRecord__Output as _metatrain_v1_ShardRecord__Output } from '../../metatrain/v1/ShardRecord.ts';
import type { SubmitJobRequest as _metatrain_v1_SubmitJobRequest, SubmitJobRequest__Output as _metatrain_v1_SubmitJobRequest__Output } from '../../metatrain/v1/SubmitJobRequest.ts';
import type { SubmitJobResponse as _metatrain_v1_SubmitJobResponse, SubmitJobResponse__Output as _metatrain_v1_SubmitJobResponse__Output } from '../../metatrain/v1/SubmitJobResponse.ts';
import type { WatchJobRequest as _metatrain_v1_WatchJobRequest, WatchJobRequest__Output as _metatrain_v1_WatchJobRequest__Output } from '../../metatrain/v1/WatchJobRequest.ts';

export interface JobServiceClient extends grpc.Client {
  CancelJob(argument: _metatrain_v1_CancelJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  CancelJob(argument: _metatrain_v1_CancelJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  CancelJob(argument: _metatrain_v1_CancelJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  CancelJob(argument: _metatrain_v1_CancelJobRequest, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  cancelJob(argument: _metatrain_v1_CancelJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  cancelJob(argument: _metatrain_v1_CancelJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  cancelJob(argument: _metatrain_v1_CancelJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  cancelJob(argument: _metatrain_v1_CancelJobRequest, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  
  DeleteJob(argument: _metatrain_v1_DeleteJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_DeleteJobResponse__Output>): grpc.ClientUnaryCall;
  DeleteJob(argument: _metatrain_v1_DeleteJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_DeleteJobResponse__Output>): grpc.ClientUnaryCall;
  DeleteJob(argument: _metatrain_v1_DeleteJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_DeleteJobResponse__Output>): grpc.ClientUnaryCall;
  DeleteJob(argument: _metatrain_v1_DeleteJobRequest, callback: grpc.requestCallback<_metatrain_v1_DeleteJobResponse__Output>): grpc.ClientUnaryCall;
  deleteJob(argument: _metatrain_v1_DeleteJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_DeleteJobResponse__Output>): grpc.ClientUnaryCall;
  deleteJob(argument: _metatrain_v1_DeleteJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_DeleteJobResponse__Output>): grpc.ClientUnaryCall;
  deleteJob(argument: _metatrain_v1_DeleteJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_DeleteJobResponse__Output>): grpc.ClientUnaryCall;
  deleteJob(argument: _metatrain_v1_DeleteJobRequest, callback: grpc.requestCallback<_metatrain_v1_DeleteJobResponse__Output>): grpc.ClientUnaryCall;
  
  DownloadCheckpoint(argument: _metatrain_v1_DownloadCheckpointRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_CheckpointChunk__Output>;
  DownloadCheckpoint(argument: _metatrain_v1_DownloadCheckpointRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_CheckpointChunk__Output>;
  downloadCheckpoint(argument: _metatrain_v1_DownloadCheckpointRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_CheckpointChunk__Output>;
  downloadCheckpoint(argument: _metatrain_v1_DownloadCheckpointRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_CheckpointChunk__Output>;
  
  GetJob(argument: _metatrain_v1_GetJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  GetJob(argument: _metatrain_v1_GetJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  GetJob(argument: _metatrain_v1_GetJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  GetJob(argument: _metatrain_v1_GetJobRequest, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  getJob(argument: _metatrain_v1_GetJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  getJob(argument: _metatrain_v1_GetJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  getJob(argument: _metatrain_v1_GetJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  getJob(argument: _metatrain_v1_GetJobRequest, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  
  GetShard(argument: _metatrain_v1_GetShardRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ShardRecord__Output>): grpc.ClientUnaryCall;
  GetShard(argument: _metatrain_v1_GetShardRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_ShardRecord__Output>): grpc.ClientUnaryCall;
  GetShard(argument: _metatrain_v1_GetShardRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ShardRecord__Output>): grpc.ClientUnaryCall;
  GetShard(argument: _metatrain_v1_GetShardRequest, callback: grpc.requestCallback<_metatrain_v1_ShardRecord__Output>): grpc.ClientUnaryCall;
  getShard(argument: _metatrain_v1_GetShardRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ShardRecord__Output>): grpc.ClientUnaryCall;
  getShard(argument: _metatrain_v1_GetShardRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_ShardRecord__Output>): grpc.ClientUnaryCall;
  getShard(argument: _metatrain_v1_GetShardRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ShardRecord__Output>): grpc.ClientUnaryCall;
  getShard(argument: _metatrain_v1_GetShardRequest, callback: grpc.requestCallback<_metatrain_v1_ShardRecord__Output>): grpc.ClientUnaryCall;
  
  ListJobs(argument: _metatrain_v1_ListJobsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListJobsResponse__Output>): grpc.ClientUnaryCall;
  ListJobs(argument: _metatrain_v1_ListJobsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_ListJobsResponse__Output>): grpc.ClientUnaryCall;
  ListJobs(argument: _metatrain_v1_ListJobsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListJobsResponse__Output>): grpc.ClientUnaryCall;
  ListJobs(argument: _metatrain_v1_ListJobsRequest, callback: grpc.requestCallback<_metatrain_v1_ListJobsResponse__Output>): grpc.ClientUnaryCall;
  listJobs(argument: _metatrain_v1_ListJobsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListJobsResponse__Output>): grpc.ClientUnaryCall;
  listJobs(argument: _metatrain_v1_ListJobsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_ListJobsResponse__Output>): grpc.ClientUnaryCall;
  listJobs(argument: _metatrain_v1_ListJobsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListJobsResponse__Output>): grpc.ClientUnaryCall;
  listJobs(argument: _metatrain_v1_ListJobsRequest, callback: grpc.requestCallback<_metatrain_v1_ListJobsResponse__Output>): grpc.ClientUnaryCall;
  
  PauseJob(argument: _metatrain_v1_PauseJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  PauseJob(argument: _metatrain_v1_PauseJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  PauseJob(argument: _metatrain_v1_PauseJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  PauseJob(argument: _metatrain_v1_PauseJobRequest, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  pauseJob(argument: _metatrain_v1_PauseJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  pauseJob(argument: _metatrain_v1_PauseJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  pauseJob(argument: _metatrain_v1_PauseJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  pauseJob(argument: _metatrain_v1_PauseJobRequest, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  
  ResumeJob(argument: _metatrain_v1_ResumeJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  ResumeJob(argument: _metatrain_v1_ResumeJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  ResumeJob(argument: _metatrain_v1_ResumeJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  ResumeJob(argument: _metatrain_v1_ResumeJobRequest, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  resumeJob(argument: _metatrain_v1_ResumeJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  resumeJob(argument: _metatrain_v1_ResumeJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  resumeJob(argument: _metatrain_v1_ResumeJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  resumeJob(argument: _metatrain_v1_ResumeJobRequest, callback: grpc.requestCallback<_metatrain_v1_Job__Output>): grpc.ClientUnaryCall;
  
  SubmitJob(argument: _metatrain_v1_SubmitJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_SubmitJobResponse__Output>): grpc.ClientUnaryCall;
  SubmitJob(argument: _metatrain_v1_SubmitJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_SubmitJobResponse__Output>): grpc.ClientUnaryCall;
  SubmitJob(argument: _metatrain_v1_SubmitJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_SubmitJobResponse__Output>): grpc.ClientUnaryCall;
  SubmitJob(argument: _metatrain_v1_SubmitJobRequest, callback: grpc.requestCallback<_metatrain_v1_SubmitJobResponse__Output>): grpc.ClientUnaryCall;
  submitJob(argument: _metatrain_v1_SubmitJobRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_SubmitJobResponse__Output>): grpc.ClientUnaryCall;
  submitJob(argument: _metatrain_v1_SubmitJobRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_SubmitJobResponse__Output>): grpc.ClientUnaryCall;
  submitJob(argument: _metatrain_v1_SubmitJobRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_SubmitJobResponse__Output>): grpc.ClientUnaryCall;
  submitJob(argument: _metatrain_v1_SubmitJobRequest, callback: grpc.requestCallback<_metatrain_v1_SubmitJobResponse__Output>): grpc.ClientUnaryCall;
  
  WatchJob(argument: _metatrain_v1_WatchJobRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_JobEvent__Output>;
  WatchJob(argument: _metatrain_v1_WatchJobRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_JobEvent__Output>;
  watchJob(argument: _metatrain_v1_WatchJobRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_JobEvent__Output>;
  watchJob(argument: _metatrain_v1_WatchJobRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_JobEvent__Output>;
  
}

export interface JobServiceHandlers extends grpc.UntypedServiceImplementation {
  CancelJob: grpc.handleUnaryCall<_metatrain_v1_CancelJobRequest__Output, _metatrain_v1_Job>;
  
  DeleteJob: grpc.handleUnaryCall<_metatrain_v1_DeleteJobRequest__Output, _metatrain_v1_DeleteJobResponse>;
  
  DownloadCheckpoint: grpc.handleServerStreamingCall<_metatrain_v1_DownloadCheckpointRequest__Output, _metatrain_v1_CheckpointChunk>;
  
  GetJob: grpc.handleUnaryCall<_metatrain_v1_GetJobRequest__Output, _metatrain_v1_Job>;
  
  GetShard: grpc.handleUnaryCall<_metatrain_v1_GetShardRequest__Output, _metatrain_v1_ShardRecord>;
  
  ListJobs: grpc.handleUnaryCall<_metatrain_v1_ListJobsRequest__Output, _metatrain_v1_ListJobsResponse>;
  
  PauseJob: grpc.handleUnaryCall<_metatrain_v1_PauseJobRequest__Output, _metatrain_v1_Job>;
  
  ResumeJob: grpc.handleUnaryCall<_metatrain_v1_ResumeJobRequest__Output, _metatrain_v1_Job>;
  
  SubmitJob: grpc.handleUnaryCall<_metatrain_v1_SubmitJobRequest__Output, _metatrain_v1_SubmitJobResponse>;
  
  WatchJob: grpc.handleServerStreamingCall<_metatrain_v1_WatchJobRequest__Output, _metatrain_v1_JobEvent>;
  
}

export interface JobServiceDefinition extends grpc.ServiceDefinition {
  CancelJob: MethodDefinition<_metatrain_v1_CancelJobRequest, _metatrain_v1_Job, _metatrain_v1_CancelJobRequest__Output, _metatrain_v1_Job__Output>
  DeleteJob: MethodDefinition<_metatrain_v1_DeleteJobRequest, _metatrain_v1_DeleteJobResponse, _metatrain_v1_DeleteJobRequest__Output, _metatrain_v1_DeleteJobResponse__Output>
  DownloadCheckpoint: MethodDefinition<_metatrain_v1_DownloadCheckpointRequest, _metatrain_v1_CheckpointChunk, _metatrain_v1_DownloadCheckpointRequest__Output, _metatrain_v1_CheckpointChunk__Output>
  GetJob: MethodDefinition<_metatrain_v1_GetJobRequest, _metatrain_v1_Job, _metatrain_v1_GetJobRequest__Output, _metatrain_v1_Job__Output>
  GetShard: MethodDefinition<_metatrain_v1_GetShardRequest, _metatrain_v1_ShardRecord, _metatrain_v1_GetShardRequest__Output, _metatrain_v1_ShardRecord__Output>
  ListJobs: MethodDefinition<_metatrain_v1_ListJobsRequest, _metatrain_v1_ListJobsResponse, _metatrain_v1_ListJobsRequest__Output, _metatrain_v1_ListJobsResponse__Output>
  PauseJob: MethodDefinition<_metatrain_v1_PauseJobRequest, _metatrain_v1_Job, _metatrain_v1_PauseJobRequest__Output, _metatrain_v1_Job__Output>
  ResumeJob: MethodDefinition<_metatrain_v1_ResumeJobRequest, _metatrain_v1_Job, _metatrain_v1_ResumeJobRequest__Output, _metatrain_v1_Job__Output>
  SubmitJob: MethodDefinition<_metatrain_v1_SubmitJobRequest, _metatrain_v1_SubmitJobResponse, _metatrain_v1_SubmitJobRequest__Output, _metatrain_v1_SubmitJobResponse__Output>
  WatchJob: MethodDefinition<_metatrain_v1_WatchJobRequest, _metatrain_v1_JobEvent, _metatrain_v1_WatchJobRequest__Output, _metatrain_v1_JobEvent__Output>
}
