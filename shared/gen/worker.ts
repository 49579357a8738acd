import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { AdaptResult as _metatrain_v1_AdaptResult, AdaptResult__Output as _metatrain_v1_AdaptResult__Output } from './metatrain/v1/AdaptResult.ts';
import type { AdaptWork as _metatrain_v1_AdaptWork, AdaptWork__Output as _metatrain_v1_AdaptWork__Output } from './metatrain/v1/AdaptWork.ts';
import type { CoordinatorBatch as _metatrain_v1_CoordinatorBatch, CoordinatorBatch__Output as _metatrain_v1_CoordinatorBatch__Output } from './metatrain/v1/CoordinatorBatch.ts';
import type { CoordinatorMessage as _metatrain_v1_CoordinatorMessage, CoordinatorMessage__Output as _metatrain_v1_CoordinatorMessage__Output } from './metatrain/v1/CoordinatorMessage.ts';
import type { DataIdentity as _metatrain_v1_DataIdentity, DataIdentity__Output as _metatrain_v1_DataIdentity__Output } from './metatrain/v1/DataIdentity.ts';
import type { Device as _metatrain_v1_Device, Device__Output as _metatrain_v1_Device__Output } from './metatrain/v1/Device.ts';
import type { Drain as _metatrain_v1_Drain, Drain__Output as _metatrain_v1_Drain__Output } from './metatrain/v1/Drain.ts';
import type { EncodeResult as _metatrain_v1_EncodeResult, EncodeResult__Output as _metatrain_v1_EncodeResult__Output } from './metatrain/v1/EncodeResult.ts';
import type { EncodeWork as _metatrain_v1_EncodeWork, EncodeWork__Output as _metatrain_v1_EncodeWork__Output } from './metatrain/v1/EncodeWork.ts';
import type { EvaluateResult as _metatrain_v1_EvaluateResult, EvaluateResult__Output as _metatrain_v1_EvaluateResult__Output } from './metatrain/v1/EvaluateResult.ts';
import type { EvaluateWork as _metatrain_v1_EvaluateWork, EvaluateWork__Output as _metatrain_v1_EvaluateWork__Output } from './metatrain/v1/EvaluateWork.ts';
import type { Heartbeat as _metatrain_v1_Heartbeat, Heartbeat__Output as _metatrain_v1_Heartbeat__Output } from './metatrain/v1/Heartbeat.ts';
import type { HeartbeatReply as _metatrain_v1_HeartbeatReply, HeartbeatReply__Output as _metatrain_v1_HeartbeatReply__Output } from './metatrain/v1/HeartbeatReply.ts';
import type { HeldResult as _metatrain_v1_HeldResult, HeldResult__Output as _metatrain_v1_HeldResult__Output } from './metatrain/v1/HeldResult.ts';
import type { Hello as _metatrain_v1_Hello, Hello__Output as _metatrain_v1_Hello__Output } from './metatrain/v1/Hello.ts';
import type { InitializeResult as _metatrain_v1_InitializeResult, InitializeResult__Output as _metatrain_v1_InitializeResult__Output } from './metatrain/v1/InitializeResult.ts';
import type { InitializeWork as _metatrain_v1_InitializeWork, InitializeWork__Output as _metatrain_v1_InitializeWork__Output } from './metatrain/v1/InitializeWork.ts';
import type { JobClosed as _metatrain_v1_JobClosed, JobClosed__Output as _metatrain_v1_JobClosed__Output } from './metatrain/v1/JobClosed.ts';
import type { JobOpened as _metatrain_v1_JobOpened, JobOpened__Output as _metatrain_v1_JobOpened__Output } from './metatrain/v1/JobOpened.ts';
import type { LearnerClosed as _metatrain_v1_LearnerClosed, LearnerClosed__Output as _metatrain_v1_LearnerClosed__Output } from './metatrain/v1/LearnerClosed.ts';
import type { LearnerOpened as _metatrain_v1_LearnerOpened, LearnerOpened__Output as _metatrain_v1_LearnerOpened__Output } from './metatrain/v1/LearnerOpened.ts';
import type { LeaseCancelled as _metatrain_v1_LeaseCancelled, LeaseCancelled__Output as _metatrain_v1_LeaseCancelled__Output } from './metatrain/v1/LeaseCancelled.ts';
import type { MeasureRows as _metatrain_v1_MeasureRows, MeasureRows__Output as _metatrain_v1_MeasureRows__Output } from './metatrain/v1/MeasureRows.ts';
import type { NamedTensors as _metatrain_v1_NamedTensors, NamedTensors__Output as _metatrain_v1_NamedTensors__Output } from './metatrain/v1/NamedTensors.ts';
import type { ParamTensor as _metatrain_v1_ParamTensor, ParamTensor__Output as _metatrain_v1_ParamTensor__Output } from './metatrain/v1/ParamTensor.ts';
import type { ParamsAnnounced as _metatrain_v1_ParamsAnnounced, ParamsAnnounced__Output as _metatrain_v1_ParamsAnnounced__Output } from './metatrain/v1/ParamsAnnounced.ts';
import type { ParamsLayout as _metatrain_v1_ParamsLayout, ParamsLayout__Output as _metatrain_v1_ParamsLayout__Output } from './metatrain/v1/ParamsLayout.ts';
import type { PayloadChunk as _metatrain_v1_PayloadChunk, PayloadChunk__Output as _metatrain_v1_PayloadChunk__Output } from './metatrain/v1/PayloadChunk.ts';
import type { PluginIdentity as _metatrain_v1_PluginIdentity, PluginIdentity__Output as _metatrain_v1_PluginIdentity__Output } from './metatrain/v1/PluginIdentity.ts';
import type { PredictResult as _metatrain_v1_PredictResult, PredictResult__Output as _metatrain_v1_PredictResult__Output } from './metatrain/v1/PredictResult.ts';
import type { PredictWork as _metatrain_v1_PredictWork, PredictWork__Output as _metatrain_v1_PredictWork__Output } from './metatrain/v1/PredictWork.ts';
import type { ResultsHeld as _metatrain_v1_ResultsHeld, ResultsHeld__Output as _metatrain_v1_ResultsHeld__Output } from './metatrain/v1/ResultsHeld.ts';
import type { ShardFailure as _metatrain_v1_ShardFailure, ShardFailure__Output as _metatrain_v1_ShardFailure__Output } from './metatrain/v1/ShardFailure.ts';
import type { ShardLease as _metatrain_v1_ShardLease, ShardLease__Output as _metatrain_v1_ShardLease__Output } from './metatrain/v1/ShardLease.ts';
import type { ShardProgress as _metatrain_v1_ShardProgress, ShardProgress__Output as _metatrain_v1_ShardProgress__Output } from './metatrain/v1/ShardProgress.ts';
import type { ShardResult as _metatrain_v1_ShardResult, ShardResult__Output as _metatrain_v1_ShardResult__Output } from './metatrain/v1/ShardResult.ts';
import type { SkippedTasks as _metatrain_v1_SkippedTasks, SkippedTasks__Output as _metatrain_v1_SkippedTasks__Output } from './metatrain/v1/SkippedTasks.ts';
import type { SpanResult as _metatrain_v1_SpanResult, SpanResult__Output as _metatrain_v1_SpanResult__Output } from './metatrain/v1/SpanResult.ts';
import type { SpanStep as _metatrain_v1_SpanStep, SpanStep__Output as _metatrain_v1_SpanStep__Output } from './metatrain/v1/SpanStep.ts';
import type { SpanStopped as _metatrain_v1_SpanStopped, SpanStopped__Output as _metatrain_v1_SpanStopped__Output } from './metatrain/v1/SpanStopped.ts';
import type { SpanWork as _metatrain_v1_SpanWork, SpanWork__Output as _metatrain_v1_SpanWork__Output } from './metatrain/v1/SpanWork.ts';
import type { TrainResult as _metatrain_v1_TrainResult, TrainResult__Output as _metatrain_v1_TrainResult__Output } from './metatrain/v1/TrainResult.ts';
import type { TrainWork as _metatrain_v1_TrainWork, TrainWork__Output as _metatrain_v1_TrainWork__Output } from './metatrain/v1/TrainWork.ts';
import type { Welcome as _metatrain_v1_Welcome, Welcome__Output as _metatrain_v1_Welcome__Output } from './metatrain/v1/Welcome.ts';
import type { WorkerBatch as _metatrain_v1_WorkerBatch, WorkerBatch__Output as _metatrain_v1_WorkerBatch__Output } from './metatrain/v1/WorkerBatch.ts';
import type { WorkerMessage as _metatrain_v1_WorkerMessage, WorkerMessage__Output as _metatrain_v1_WorkerMessage__Output } from './metatrain/v1/WorkerMessage.ts';
import type { WorkerServiceClient as _metatrain_v1_WorkerServiceClient, WorkerServiceDefinition as _metatrain_v1_WorkerServiceDefinition } from './metatrain/v1/WorkerService.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  metatrain: {
    v1: {
      AdaptResult: MessageTypeDefinition<_metatrain_v1_AdaptResult, _metatrain_v1_AdaptResult__Output>
      AdaptWork: MessageTypeDefinition<_metatrain_v1_AdaptWork, _metatrain_v1_AdaptWork__Output>
      CoordinatorBatch: MessageTypeDefinition<_metatrain_v1_CoordinatorBatch, _metatrain_v1_CoordinatorBatch__Output>
      CoordinatorMessage: MessageTypeDefinition<_metatrain_v1_CoordinatorMessage, _metatrain_v1_CoordinatorMessage__Output>
      DataIdentity: MessageTypeDefinition<_metatrain_v1_DataIdentity, _metatrain_v1_DataIdentity__Output>
      Device: MessageTypeDefinition<_metatrain_v1_Device, _metatrain_v1_Device__Output>
      Drain: MessageTypeDefinition<_metatrain_v1_Drain, _metatrain_v1_Drain__Output>
      EncodeResult: MessageTypeDefinition<_metatrain_v1_EncodeResult, _metatrain_v1_EncodeResult__Output>
      EncodeWork: MessageTypeDefinition<_metatrain_v1_EncodeWork, _metatrain_v1_EncodeWork__Output>
      EvaluateResult: MessageTypeDefinition<_metatrain_v1_EvaluateResult, _metatrain_v1_EvaluateResult__Output>
      EvaluateWork: MessageTypeDefinition<_metatrain_v1_EvaluateWork, _metatrain_v1_EvaluateWork__Output>
      Heartbeat: MessageTypeDefinition<_metatrain_v1_Heartbeat, _metatrain_v1_Heartbeat__Output>
      HeartbeatReply: MessageTypeDefinition<_metatrain_v1_HeartbeatReply, _metatrain_v1_HeartbeatReply__Output>
      HeldResult: MessageTypeDefinition<_metatrain_v1_HeldResult, _metatrain_v1_HeldResult__Output>
      Hello: MessageTypeDefinition<_metatrain_v1_Hello, _metatrain_v1_Hello__Output>
      InitializeResult: MessageTypeDefinition<_metatrain_v1_InitializeResult, _metatrain_v1_InitializeResult__Output>
      InitializeWork: MessageTypeDefinition<_metatrain_v1_InitializeWork, _metatrain_v1_InitializeWork__Output>
      JobClosed: MessageTypeDefinition<_metatrain_v1_JobClosed, _metatrain_v1_JobClosed__Output>
      JobOpened: MessageTypeDefinition<_metatrain_v1_JobOpened, _metatrain_v1_JobOpened__Output>
      LearnerClosed: MessageTypeDefinition<_metatrain_v1_LearnerClosed, _metatrain_v1_LearnerClosed__Output>
      LearnerOpened: MessageTypeDefinition<_metatrain_v1_LearnerOpened, _metatrain_v1_LearnerOpened__Output>
      LeaseCancelled: MessageTypeDefinition<_metatrain_v1_LeaseCancelled, _metatrain_v1_LeaseCancelled__Output>
      MeasureRows: MessageTypeDefinition<_metatrain_v1_MeasureRows, _metatrain_v1_MeasureRows__Output>
      NamedTensors: MessageTypeDefinition<_metatrain_v1_NamedTensors, _metatrain_v1_NamedTensors__Output>
      ParamTensor: MessageTypeDefinition<_metatrain_v1_ParamTensor, _metatrain_v1_ParamTensor__Output>
      ParamsAnnounced: MessageTypeDefinition<_metatrain_v1_ParamsAnnounced, _metatrain_v1_ParamsAnnounced__Output>
      ParamsLayout: MessageTypeDefinition<_metatrain_v1_ParamsLayout, _metatrain_v1_ParamsLayout__Output>
      PayloadChunk: MessageTypeDefinition<_metatrain_v1_PayloadChunk, _metatrain_v1_PayloadChunk__Output>
      PluginIdentity: MessageTypeDefinition<_metatrain_v1_PluginIdentity, _metatrain_v1_PluginIdentity__Output>
      PredictResult: MessageTypeDefinition<_metatrain_v1_PredictResult, _metatrain_v1_PredictResult__Output>
      PredictWork: MessageTypeDefinition<_metatrain_v1_PredictWork, _metatrain_v1_PredictWork__Output>
      ResultsHeld: MessageTypeDefinition<_metatrain_v1_ResultsHeld, _metatrain_v1_ResultsHeld__Output>
      ShardFailure: MessageTypeDefinition<_metatrain_v1_ShardFailure, _metatrain_v1_ShardFailure__Output>
      ShardLease: MessageTypeDefinition<_metatrain_v1_ShardLease, _metatrain_v1_ShardLease__Output>
      ShardProgress: MessageTypeDefinition<_metatrain_v1_ShardProgress, _metatrain_v1_ShardProgress__Output>
      ShardResult: MessageTypeDefinition<_metatrain_v1_ShardResult, _metatrain_v1_ShardResult__Output>
      SkippedTasks: MessageTypeDefinition<_metatrain_v1_SkippedTasks, _metatrain_v1_SkippedTasks__Output>
      SpanResult: MessageTypeDefinition<_metatrain_v1_SpanResult, _metatrain_v1_SpanResult__Output>
      SpanStep: MessageTypeDefinition<_metatrain_v1_SpanStep, _metatrain_v1_SpanStep__Output>
      SpanStopped: MessageTypeDefinition<_metatrain_v1_SpanStopped, _metatrain_v1_SpanStopped__Output>
      SpanWork: MessageTypeDefinition<_metatrain_v1_SpanWork, _metatrain_v1_SpanWork__Output>
      TrainResult: MessageTypeDefinition<_metatrain_v1_TrainResult, _metatrain_v1_TrainResult__Output>
      TrainWork: MessageTypeDefinition<_metatrain_v1_TrainWork, _metatrain_v1_TrainWork__Output>
      Welcome: MessageTypeDefinition<_metatrain_v1_Welcome, _metatrain_v1_Welcome__Output>
      WorkerBatch: MessageTypeDefinition<_metatrain_v1_WorkerBatch, _metatrain_v1_WorkerBatch__Output>
      WorkerMessage: MessageTypeDefinition<_metatrain_v1_WorkerMessage, _metatrain_v1_WorkerMessage__Output>
      WorkerService: SubtypeConstructor<typeof grpc.Client, _metatrain_v1_WorkerServiceClient> & { service: _metatrain_v1_WorkerServiceDefinition }
    }
  }
}

