import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from './google/protobuf/Timestamp.ts';
import type { AdaptRequest as _metatrain_v1_AdaptRequest, AdaptRequest__Output as _metatrain_v1_AdaptRequest__Output } from './metatrain/v1/AdaptRequest.ts';
import type { AdaptResponse as _metatrain_v1_AdaptResponse, AdaptResponse__Output as _metatrain_v1_AdaptResponse__Output } from './metatrain/v1/AdaptResponse.ts';
import type { AdaptResult as _metatrain_v1_AdaptResult, AdaptResult__Output as _metatrain_v1_AdaptResult__Output } from './metatrain/v1/AdaptResult.ts';
import type { AdaptWork as _metatrain_v1_AdaptWork, AdaptWork__Output as _metatrain_v1_AdaptWork__Output } from './metatrain/v1/AdaptWork.ts';
import type { AdaptedModel as _metatrain_v1_AdaptedModel, AdaptedModel__Output as _metatrain_v1_AdaptedModel__Output } from './metatrain/v1/AdaptedModel.ts';
import type { AdaptedState as _metatrain_v1_AdaptedState, AdaptedState__Output as _metatrain_v1_AdaptedState__Output } from './metatrain/v1/AdaptedState.ts';
import type { CoordinatorBatch as _metatrain_v1_CoordinatorBatch, CoordinatorBatch__Output as _metatrain_v1_CoordinatorBatch__Output } from './metatrain/v1/CoordinatorBatch.ts';
import type { CoordinatorMessage as _metatrain_v1_CoordinatorMessage, CoordinatorMessage__Output as _metatrain_v1_CoordinatorMessage__Output } from './metatrain/v1/CoordinatorMessage.ts';
import type { DataIdentity as _metatrain_v1_DataIdentity, DataIdentity__Output as _metatrain_v1_DataIdentity__Output } from './metatrain/v1/DataIdentity.ts';
import type { Device as _metatrain_v1_Device, Device__Output as _metatrain_v1_Device__Output } from './metatrain/v1/Device.ts';
import type { Drain as _metatrain_v1_Drain, Drain__Output as _metatrain_v1_Drain__Output } from './metatrain/v1/Drain.ts';
import type { DropAdaptedRequest as _metatrain_v1_DropAdaptedRequest, DropAdaptedRequest__Output as _metatrain_v1_DropAdaptedRequest__Output } from './metatrain/v1/DropAdaptedRequest.ts';
import type { DropAdaptedResponse as _metatrain_v1_DropAdaptedResponse, DropAdaptedResponse__Output as _metatrain_v1_DropAdaptedResponse__Output } from './metatrain/v1/DropAdaptedResponse.ts';
import type { EncodeResult as _metatrain_v1_EncodeResult, EncodeResult__Output as _metatrain_v1_EncodeResult__Output } from './metatrain/v1/EncodeResult.ts';
import type { EncodeWork as _metatrain_v1_EncodeWork, EncodeWork__Output as _metatrain_v1_EncodeWork__Output } from './metatrain/v1/EncodeWork.ts';
import type { EvaluateResult as _metatrain_v1_EvaluateResult, EvaluateResult__Output as _metatrain_v1_EvaluateResult__Output } from './metatrain/v1/EvaluateResult.ts';
import type { EvaluateWork as _metatrain_v1_EvaluateWork, EvaluateWork__Output as _metatrain_v1_EvaluateWork__Output } from './metatrain/v1/EvaluateWork.ts';
import type { GetAdaptedRequest as _metatrain_v1_GetAdaptedRequest, GetAdaptedRequest__Output as _metatrain_v1_GetAdaptedRequest__Output } from './metatrain/v1/GetAdaptedRequest.ts';
import type { Heartbeat as _metatrain_v1_Heartbeat, Heartbeat__Output as _metatrain_v1_Heartbeat__Output } from './metatrain/v1/Heartbeat.ts';
import type { HeartbeatReply as _metatrain_v1_HeartbeatReply, HeartbeatReply__Output as _metatrain_v1_HeartbeatReply__Output } from './metatrain/v1/HeartbeatReply.ts';
import type { HeldResult as _metatrain_v1_HeldResult, HeldResult__Output as _metatrain_v1_HeldResult__Output } from './metatrain/v1/HeldResult.ts';
import type { Hello as _metatrain_v1_Hello, Hello__Output as _metatrain_v1_Hello__Output } from './metatrain/v1/Hello.ts';
import type { Images as _metatrain_v1_Images, Images__Output as _metatrain_v1_Images__Output } from './metatrain/v1/Images.ts';
import type { InitializeResult as _metatrain_v1_InitializeResult, InitializeResult__Output as _metatrain_v1_InitializeResult__Output } from './metatrain/v1/InitializeResult.ts';
import type { InitializeWork as _metatrain_v1_InitializeWork, InitializeWork__Output as _metatrain_v1_InitializeWork__Output } from './metatrain/v1/InitializeWork.ts';
import type { Inputs as _metatrain_v1_Inputs, Inputs__Output as _metatrain_v1_Inputs__Output } from './metatrain/v1/Inputs.ts';
import type { JobClosed as _metatrain_v1_JobClosed, JobClosed__Output as _metatrain_v1_JobClosed__Output } from './metatrain/v1/JobClosed.ts';
import type { JobOpened as _metatrain_v1_JobOpened, JobOpened__Output as _metatrain_v1_JobOpened__Output } from './metatrain/v1/JobOpened.ts';
import type { LearnerClosed as _metatrain_v1_LearnerClosed, LearnerClosed__Output as _metatrain_v1_LearnerClosed__Output } from './metatrain/v1/LearnerClosed.ts';
import type { LearnerOpened as _metatrain_v1_LearnerOpened, LearnerOpened__Output as _metatrain_v1_LearnerOpened__Output } from './metatrain/v1/LearnerOpened.ts';
import type { LeaseCancelled as _metatrain_v1_LeaseCancelled, LeaseCancelled__Output as _metatrain_v1_LeaseCancelled__Output } from './metatrain/v1/LeaseCancelled.ts';
import type { ListAdaptedRequest as _metatrain_v1_ListAdaptedRequest, ListAdaptedRequest__Output as _metatrain_v1_ListAdaptedRequest__Output } from './metatrain/v1/ListAdaptedRequest.ts';
import type { ListAdaptedResponse as _metatrain_v1_ListAdaptedResponse, ListAdaptedResponse__Output as _metatrain_v1_ListAdaptedResponse__Output } from './metatrain/v1/ListAdaptedResponse.ts';
import type { MeasureRows as _metatrain_v1_MeasureRows, MeasureRows__Output as _metatrain_v1_MeasureRows__Output } from './metatrain/v1/MeasureRows.ts';
import type { ModelServiceClient as _metatrain_v1_ModelServiceClient, ModelServiceDefinition as _metatrain_v1_ModelServiceDefinition } from './metatrain/v1/ModelService.ts';
import type { NamedTensors as _metatrain_v1_NamedTensors, NamedTensors__Output as _metatrain_v1_NamedTensors__Output } from './metatrain/v1/NamedTensors.ts';
import type { Numbers as _metatrain_v1_Numbers, Numbers__Output as _metatrain_v1_Numbers__Output } from './metatrain/v1/Numbers.ts';
import type { ParamTensor as _metatrain_v1_ParamTensor, ParamTensor__Output as _metatrain_v1_ParamTensor__Output } from './metatrain/v1/ParamTensor.ts';
import type { ParamsAnnounced as _metatrain_v1_ParamsAnnounced, ParamsAnnounced__Output as _metatrain_v1_ParamsAnnounced__Output } from './metatrain/v1/ParamsAnnounced.ts';
import type { ParamsLayout as _metatrain_v1_ParamsLayout, ParamsLayout__Output as _metatrain_v1_ParamsLayout__Output } from './metatrain/v1/ParamsLayout.ts';
import type { PayloadChunk as _metatrain_v1_PayloadChunk, PayloadChunk__Output as _metatrain_v1_PayloadChunk__Output } from './metatrain/v1/PayloadChunk.ts';
import type { PluginIdentity as _metatrain_v1_PluginIdentity, PluginIdentity__Output as _metatrain_v1_PluginIdentity__Output } from './metatrain/v1/PluginIdentity.ts';
import type { PredictRequest as _metatrain_v1_PredictRequest, PredictRequest__Output as _metatrain_v1_PredictRequest__Output } from './metatrain/v1/PredictRequest.ts';
import type { PredictResponse as _metatrain_v1_PredictResponse, PredictResponse__Output as _metatrain_v1_PredictResponse__Output } from './metatrain/v1/PredictResponse.ts';
import type { PredictResult as _metatrain_v1_PredictResult, PredictResult__Output as _metatrain_v1_PredictResult__Output } from './metatrain/v1/PredictResult.ts';
import type { PredictWork as _metatrain_v1_PredictWork, PredictWork__Output as _metatrain_v1_PredictWork__Output } from './metatrain/v1/PredictWork.ts';
import type { Prediction as _metatrain_v1_Prediction, Prediction__Output as _metatrain_v1_Prediction__Output } from './metatrain/v1/Prediction.ts';
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
import type { SupportSet as _metatrain_v1_SupportSet, SupportSet__Output as _metatrain_v1_SupportSet__Output } from './metatrain/v1/SupportSet.ts';
import type { Texts as _metatrain_v1_Texts, Texts__Output as _metatrain_v1_Texts__Output } from './metatrain/v1/Texts.ts';
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
  google: {
    protobuf: {
      Timestamp: MessageTypeDefinition<_google_protobuf_Timestamp, _google_protobuf_Timestamp__Output>
    }
  }
  metatrain: {
    v1: {
      AdaptRequest: MessageTypeDefinition<_metatrain_v1_AdaptRequest, _metatrain_v1_AdaptRequest__Output>
      AdaptResponse: MessageTypeDefinition<_metatrain_v1_AdaptResponse, _metatrain_v1_AdaptResponse__Output>
      AdaptResult: MessageTypeDefinition<_metatrain_v1_AdaptResult, _metatrain_v1_AdaptResult__Output>
      AdaptWork: MessageTypeDefinition<_metatrain_v1_AdaptWork, _metatrain_v1_AdaptWork__Output>
      AdaptedModel: MessageTypeDefinition<_metatrain_v1_AdaptedModel, _metatrain_v1_AdaptedModel__Output>
      AdaptedState: MessageTypeDefinition<_metatrain_v1_AdaptedState, _metatrain_v1_AdaptedState__Output>
      CoordinatorBatch: MessageTypeDefinition<_metatrain_v1_CoordinatorBatch, _metatrain_v1_CoordinatorBatch__Output>
      CoordinatorMessage: MessageTypeDefinition<_metatrain_v1_CoordinatorMessage, _metatrain_v1_CoordinatorMessage__Output>
      DataIdentity: MessageTypeDefinition<_metatrain_v1_DataIdentity, _metatrain_v1_DataIdentity__Output>
      Device: MessageTypeDefinition<_metatrain_v1_Device, _metatrain_v1_Device__Output>
      Drain: MessageTypeDefinition<_metatrain_v1_Drain, _metatrain_v1_Drain__Output>
      DropAdaptedRequest: MessageTypeDefinition<_metatrain_v1_DropAdaptedRequest, _metatrain_v1_DropAdaptedRequest__Output>
      DropAdaptedResponse: MessageTypeDefinition<_metatrain_v1_DropAdaptedResponse, _metatrain_v1_DropAdaptedResponse__Output>
      EncodeResult: MessageTypeDefinition<_metatrain_v1_EncodeResult, _metatrain_v1_EncodeResult__Output>
      EncodeWork: MessageTypeDefinition<_metatrain_v1_EncodeWork, _metatrain_v1_EncodeWork__Output>
      EvaluateResult: MessageTypeDefinition<_metatrain_v1_EvaluateResult, _metatrain_v1_EvaluateResult__Output>
      EvaluateWork: MessageTypeDefinition<_metatrain_v1_EvaluateWork, _metatrain_v1_EvaluateWork__Output>
      GetAdaptedRequest: MessageTypeDefinition<_metatrain_v1_GetAdaptedRequest, _metatrain_v1_GetAdaptedRequest__Output>
      Heartbeat: MessageTypeDefinition<_metatrain_v1_Heartbeat, _metatrain_v1_Heartbeat__Output>
      HeartbeatReply: MessageTypeDefinition<_metatrain_v1_HeartbeatReply, _metatrain_v1_HeartbeatReply__Output>
      HeldResult: MessageTypeDefinition<_metatrain_v1_HeldResult, _metatrain_v1_HeldResult__Output>
      Hello: MessageTypeDefinition<_metatrain_v1_Hello, _metatrain_v1_Hello__Output>
      Images: MessageTypeDefinition<_metatrain_v1_Images, _metatrain_v1_Images__Output>
      InitializeResult: MessageTypeDefinition<_metatrain_v1_InitializeResult, _metatrain_v1_InitializeResult__Output>
      InitializeWork: MessageTypeDefinition<_metatrain_v1_InitializeWork, _metatrain_v1_InitializeWork__Output>
      Inputs: MessageTypeDefinition<_metatrain_v1_Inputs, _metatrain_v1_Inputs__Output>
      JobClosed: MessageTypeDefinition<_metatrain_v1_JobClosed, _metatrain_v1_JobClosed__Output>
      JobOpened: MessageTypeDefinition<_metatrain_v1_JobOpened, _metatrain_v1_JobOpened__Output>
      LearnerClosed: MessageTypeDefinition<_metatrain_v1_LearnerClosed, _metatrain_v1_LearnerClosed__Output>
      LearnerOpened: MessageTypeDefinition<_metatrain_v1_LearnerOpened, _metatrain_v1_LearnerOpened__Output>
      LeaseCancelled: MessageTypeDefinition<_metatrain_v1_LeaseCancelled, _metatrain_v1_LeaseCancelled__Output>
      ListAdaptedRequest: MessageTypeDefinition<_metatrain_v1_ListAdaptedRequest, _metatrain_v1_ListAdaptedRequest__Output>
      ListAdaptedResponse: MessageTypeDefinition<_metatrain_v1_ListAdaptedResponse, _metatrain_v1_ListAdaptedResponse__Output>
      MeasureRows: MessageTypeDefinition<_metatrain_v1_MeasureRows, _metatrain_v1_MeasureRows__Output>
      ModelService: SubtypeConstructor<typeof grpc.Client, _metatrain_v1_ModelServiceClient> & { service: _metatrain_v1_ModelServiceDefinition }
      NamedTensors: MessageTypeDefinition<_metatrain_v1_NamedTensors, _metatrain_v1_NamedTensors__Output>
      Numbers: MessageTypeDefinition<_metatrain_v1_Numbers, _metatrain_v1_Numbers__Output>
      ParamTensor: MessageTypeDefinition<_metatrain_v1_ParamTensor, _metatrain_v1_ParamTensor__Output>
      ParamsAnnounced: MessageTypeDefinition<_metatrain_v1_ParamsAnnounced, _metatrain_v1_ParamsAnnounced__Output>
      ParamsLayout: MessageTypeDefinition<_metatrain_v1_ParamsLayout, _metatrain_v1_ParamsLayout__Output>
      PayloadChunk: MessageTypeDefinition<_metatrain_v1_PayloadChunk, _metatrain_v1_PayloadChunk__Output>
      PluginIdentity: MessageTypeDefinition<_metatrain_v1_PluginIdentity, _metatrain_v1_PluginIdentity__Output>
      PredictRequest: MessageTypeDefinition<_metatrain_v1_PredictRequest, _metatrain_v1_PredictRequest__Output>
      PredictResponse: MessageTypeDefinition<_metatrain_v1_PredictResponse, _metatrain_v1_PredictResponse__Output>
      PredictResult: MessageTypeDefinition<_metatrain_v1_PredictResult, _metatrain_v1_PredictResult__Output>
      PredictWork: MessageTypeDefinition<_metatrain_v1_PredictWork, _metatrain_v1_PredictWork__Output>
      Prediction: MessageTypeDefinition<_metatrain_v1_Prediction, _metatrain_v1_Prediction__Output>
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
      SupportSet: MessageTypeDefinition<_metatrain_v1_SupportSet, _metatrain_v1_SupportSet__Output>
      Texts: MessageTypeDefinition<_metatrain_v1_Texts, _metatrain_v1_Texts__Output>
      TrainResult: MessageTypeDefinition<_metatrain_v1_TrainResult, _metatrain_v1_TrainResult__Output>
      TrainWork: MessageTypeDefinition<_metatrain_v1_TrainWork, _metatrain_v1_TrainWork__Output>
      Welcome: MessageTypeDefinition<_metatrain_v1_Welcome, _metatrain_v1_Welcome__Output>
      WorkerBatch: MessageTypeDefinition<_metatrain_v1_WorkerBatch, _metatrain_v1_WorkerBatch__Output>
      WorkerMessage: MessageTypeDefinition<_metatrain_v1_WorkerMessage, _metatrain_v1_WorkerMessage__Output>
      WorkerService: SubtypeConstructor<typeof grpc.Client, _metatrain_v1_WorkerServiceClient> & { service: _metatrain_v1_WorkerServiceDefinition }
    }
  }
}

