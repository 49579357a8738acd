// Original file: proto/metatrain/v1/model.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AdaptRequest as _metatrain_v1_AdaptRequest, AdaptRequest__Output as _metatrain_v1_AdaptRequest__Output } from '../../metatrain/v1/AdaptRequest.ts';
import type { AdaptResponse as _metatrain_v1_AdaptResponse, AdaptResponse__Output as _metatrain_v1_AdaptResponse__Output } from '../../metatrain/v1/AdaptResponse.ts';
import type { AdaptedModel as _metatrain_v1_AdaptedModel, AdaptedModel__Output as _metatrain_v1_AdaptedModel__Output } from '../../metatrain/v1/AdaptedModel.ts';
import type { DropAdaptedRequest as _metatrain_v1_DropAdaptedRequest, DropAdaptedRequest__Output as _metatrain_v1_DropAdaptedRequest__Output } from '../../metatrain/v1/DropAdaptedRequest.ts';
import type { DropAdaptedResponse as _metatrain_v1_DropAdaptedResponse, DropAdaptedResponse__Output as _metatrain_v1_DropAdaptedResponse__Output } from '../../metatrain/v1/DropAdaptedResponse.ts';
import type { GetAdaptedRequest as _metatrain_v1_GetAdaptedRequest, GetAdaptedRequest__Output as _metatrain_v1_GetAdaptedRequest__Output } from '../../metatrain/v1/GetAdaptedRequest.ts';
import type { ListAdaptedRequest as _metatrain_v1_ListAdaptedRequest, ListAdaptedRequest__Output as _metatrain_v1_ListAdaptedRequest__Output } from '../../metatrain/v1/ListAdaptedRequest.ts';
import type { ListAdaptedResponse as _metatrain_v1_ListAdaptedResponse, ListAdaptedResponse__Output as _metatrain_v1_ListAdaptedResponse__Output } from '../../metatrain/v1/ListAdaptedResponse.ts';
import type { PredictRequest as _metatrain_v1_PredictRequest, PredictRequest__Output as _metatrain_v1_PredictRequest__Output } from '../../metatrain/v1/PredictRequest.ts';
import type { PredictResponse as _metatrain_v1_PredictResponse, PredictResponse__Output as _metatrain_v1_PredictResponse__Output } from '../../metatrain/v1/PredictResponse.ts';

export interface ModelServiceClient extends grpc.Client {
  Adapt(argument: _metatrain_v1_AdaptRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_AdaptResponse__Output>): grpc.ClientUnaryCall;
  Adapt(argument: _metatrain_v1_AdaptRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_AdaptResponse__Output>): grpc.ClientUnaryCall;
  Adapt(argument: _metatrain_v1_AdaptRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_AdaptResponse__Output>): grpc.ClientUnaryCall;
  Adapt(argument: _metatrain_v1_AdaptRequest, callback: grpc.requestCallback<_metatrain_v1_AdaptResponse__Output>): grpc.ClientUnaryCall;
  adapt(argument: _metatrain_v1_AdaptRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_AdaptResponse__Output>): grpc.ClientUnaryCall;
  adapt(argument: _metatrain_v1_AdaptRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_AdaptResponse__Output>): grpc.ClientUnaryCall;
  adapt(argument: _metatrain_v1_AdaptRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_AdaptResponse__Output>): grpc.ClientUnaryCall;
  adapt(argument: _metatrain_v1_AdaptRequest, callback: grpc.requestCallback<_metatrain_v1_AdaptResponse__Output>): grpc.ClientUnaryCall;
  
  DropAdapted(argument: _metatrain_v1_DropAdaptedRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_DropAdaptedResponse__Output>): grpc.ClientUnaryCall;
  DropAdapted(argument: _metatrain_v1_DropAdaptedRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_DropAdaptedResponse__Output>): grpc.ClientUnaryCall;
  DropAdapted(argument: _metatrain_v1_DropAdaptedRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_DropAdaptedResponse__Output>): grpc.ClientUnaryCall;
  DropAdapted(argument: _metatrain_v1_DropAdaptedRequest, callback: grpc.requestCallback<_metatrain_v1_DropAdaptedResponse__Output>): grpc.ClientUnaryCall;
  dropAdapted(argument: _metatrain_v1_DropAdaptedRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_DropAdaptedResponse__Output>): grpc.ClientUnaryCall;
  dropAdapted(argument: _metatrain_v1_DropAdaptedRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_DropAdaptedResponse__Output>): grpc.ClientUnaryCall;
  dropAdapted(argument: _metatrain_v1_DropAdaptedRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_DropAdaptedResponse__Output>): grpc.ClientUnaryCall;
  dropAdapted(argument: _metatrain_v1_DropAdaptedRequest, callback: grpc.requestCallback<_metatrain_v1_DropAdaptedResponse__Output>): grpc.ClientUnaryCall;
  
  GetAdapted(argument: _metatrain_v1_GetAdaptedRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_AdaptedModel__Output>): grpc.ClientUnaryCall;
  GetAdapted(argument: _metatrain_v1_GetAdaptedRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_AdaptedModel__Output>): grpc.ClientUnaryCall;
  GetAdapted(argument: _metatrain_v1_GetAdaptedRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_AdaptedModel__Output>): grpc.ClientUnaryCall;
  GetAdapted(argument: _metatrain_v1_GetAdaptedRequest, callback: grpc.requestCallback<_metatrain_v1_AdaptedModel__Output>): grpc.ClientUnaryCall;
  getAdapted(argument: _metatrain_v1_GetAdaptedRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_AdaptedModel__Output>): grpc.ClientUnaryCall;
  getAdapted(argument: _metatrain_v1_GetAdaptedRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_AdaptedModel__Output>): grpc.ClientUnaryCall;
  getAdapted(argument: _metatrain_v1_GetAdaptedRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_AdaptedModel__Output>): grpc.ClientUnaryCall;
  getAdapted(argument: _metatrain_v1_GetAdaptedRequest, callback: grpc.requestCallback<_metatrain_v1_AdaptedModel__Output>): grpc.ClientUnaryCall;
  
  ListAdapted(argument: _metatrain_v1_ListAdaptedRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListAdaptedResponse__Output>): grpc.ClientUnaryCall;
  ListAdapted(argument: _metatrain_v1_ListAdaptedRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_ListAdaptedResponse__Output>): grpc.ClientUnaryCall;
  ListAdapted(argument: _metatrain_v1_ListAdaptedRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListAdaptedResponse__Output>): grpc.ClientUnaryCall;
  ListAdapted(argument: _metatrain_v1_ListAdaptedRequest, callback: grpc.requestCallback<_metatrain_v1_ListAdaptedResponse__Output>): grpc.ClientUnaryCall;
  listAdapted(argument: _metatrain_v1_ListAdaptedRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListAdaptedResponse__Output>): grpc.ClientUnaryCall;
  listAdapted(argument: _metatrain_v1_ListAdaptedRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_ListAdaptedResponse__Output>): grpc.ClientUnaryCall;
  listAdapted(argument: _metatrain_v1_ListAdaptedRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListAdaptedResponse__Output>): grpc.ClientUnaryCall;
  listAdapted(argument: _metatrain_v1_ListAdaptedRequest, callback: grpc.requestCallback<_metatrain_v1_ListAdaptedResponse__Output>): grpc.ClientUnaryCall;
  
  Predict(argument: _metatrain_v1_PredictRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_PredictResponse__Output>): grpc.ClientUnaryCall;
  Predict(argument: _metatrain_v1_PredictRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_PredictResponse__Output>): grpc.ClientUnaryCall;
  Predict(argument: _metatrain_v1_PredictRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_PredictResponse__Output>): grpc.ClientUnaryCall;
  Predict(argument: _metatrain_v1_PredictRequest, callback: grpc.requestCallback<_metatrain_v1_PredictResponse__Output>): grpc.ClientUnaryCall;
  predict(argument: _metatrain_v1_PredictRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_PredictResponse__Output>): grpc.ClientUnaryCall;
  predict(argument: _metatrain_v1_PredictRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_PredictResponse__Output>): grpc.ClientUnaryCall;
  predict(argument: _metatrain_v1_PredictRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_PredictResponse__Output>): grpc.ClientUnaryCall;
  predict(argument: _metatrain_v1_PredictRequest, callback: grpc.requestCallback<_metatrain_v1_PredictResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface ModelServiceHandlers extends grpc.UntypedServiceImplementation {
  Adapt: grpc.handleUnaryCall<_metatrain_v1_AdaptRequest__Output, _metatrain_v1_AdaptResponse>;
  
  DropAdapted: grpc.handleUnaryCall<_metatrain_v1_DropAdaptedRequest__Output, _metatrain_v1_DropAdaptedResponse>;
  
  GetAdapted: grpc.handleUnaryCall<_metatrain_v1_GetAdaptedRequest__Output, _metatrain_v1_AdaptedModel>;
  
  ListAdapted: grpc.handleUnaryCall<_metatrain_v1_ListAdaptedRequest__Output, _metatrain_v1_ListAdaptedResponse>;
  
  Predict: grpc.handleUnaryCall<_metatrain_v1_PredictRequest__Output, _metatrain_v1_PredictResponse>;
  
}

export interface ModelServiceDefinition extends grpc.ServiceDefinition {
  Adapt: MethodDefinition<_metatrain_v1_AdaptRequest, _metatrain_v1_AdaptResponse, _metatrain_v1_AdaptRequest__Output, _metatrain_v1_AdaptResponse__Output>
  DropAdapted: MethodDefinition<_metatrain_v1_DropAdaptedRequest, _metatrain_v1_DropAdaptedResponse, _metatrain_v1_DropAdaptedRequest__Output, _metatrain_v1_DropAdaptedResponse__Output>
  GetAdapted: MethodDefinition<_metatrain_v1_GetAdaptedRequest, _metatrain_v1_AdaptedModel, _metatrain_v1_GetAdaptedRequest__Output, _metatrain_v1_AdaptedModel__Output>
  ListAdapted: MethodDefinition<_metatrain_v1_ListAdaptedRequest, _metatrain_v1_ListAdaptedResponse, _metatrain_v1_ListAdaptedRequest__Output, _metatrain_v1_ListAdaptedResponse__Output>
  Predict: MethodDefinition<_metatrain_v1_PredictRequest, _metatrain_v1_PredictResponse, _metatrain_v1_PredictRequest__Output, _metatrain_v1_PredictResponse__Output>
}
