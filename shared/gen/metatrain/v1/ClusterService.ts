// Original file: proto/metatrain/v1/cluster.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ClusterEvent as _metatrain_v1_ClusterEvent, ClusterEvent__Output as _metatrain_v1_ClusterEvent__Output } from '../../metatrain/v1/ClusterEvent.ts';
import type { ListWorkersRequest as _metatrain_v1_ListWorkersRequest, ListWorkersRequest__Output as _metatrain_v1_ListWorkersRequest__Output } from '../../metatrain/v1/ListWorkersRequest.ts';
import type { ListWorkersResponse as _metatrain_v1_ListWorkersResponse, ListWorkersResponse__Output as _metatrain_v1_ListWorkersResponse__Output } from '../../metatrain/v1/ListWorkersResponse.ts';
import type { WatchEventsRequest as _metatrain_v1_WatchEventsRequest, WatchEventsRequest__Output as _metatrain_v1_WatchEventsRequest__Output } from '../../metatrain/v1/WatchEventsRequest.ts';

export interface ClusterServiceClient extends grpc.Client {
  ListWorkers(argument: _metatrain_v1_ListWorkersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _metatrain_v1_ListWorkersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _metatrain_v1_ListWorkersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _metatrain_v1_ListWorkersRequest, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _metatrain_v1_ListWorkersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _metatrain_v1_ListWorkersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _metatrain_v1_ListWorkersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _metatrain_v1_ListWorkersRequest, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  
  WatchEvents(argument: _metatrain_v1_WatchEventsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_ClusterEvent__Output>;
  WatchEvents(argument: _metatrain_v1_WatchEventsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_ClusterEvent__Output>;
  watchEvents(argument: _metatrain_v1_WatchEventsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_ClusterEvent__Output>;
  watchEvents(argument: _metatrain_v1_WatchEventsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_metatrain_v1_ClusterEvent__Output>;
  
}

export interface ClusterServiceHandlers extends grpc.UntypedServiceImplementation {
  ListWorkers: grpc.handleUnaryCall<_metatrain_v1_ListWorkersRequest__Output, _metatrain_v1_ListWorkersResponse>;
  
  WatchEvents: grpc.handleServerStreamingCall<_metatrain_v1_WatchEventsRequest__Output, _metatrain_v1_ClusterEvent>;
  
}

export interface ClusterServiceDefinition extends grpc.ServiceDefinition {
  ListWorkers: MethodDefinition<_metatrain_v1_ListWorkersRequest, _metatrain_v1_ListWorkersResponse, _metatrain_v1_ListWorkersRequest__Output, _metatrain_v1_ListWorkersResponse__Output>
  WatchEvents: MethodDefinition<_metatrain_v1_WatchEventsRequest, _metatrain_v1_ClusterEvent, _metatrain_v1_WatchEventsRequest__Output, _metatrain_v1_ClusterEvent__Output>
}
