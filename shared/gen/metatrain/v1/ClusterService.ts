// Original file: proto/metatrain/v1/cluster.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ListWorkersRequest as _metatrain_v1_ListWorkersRequest, ListWorkersRequest__Output as _metatrain_v1_ListWorkersRequest__Output } from '../../metatrain/v1/ListWorkersRequest.ts';
import type { ListWorkersResponse as _metatrain_v1_ListWorkersResponse, ListWorkersResponse__Output as _metatrain_v1_ListWorkersResponse__Output } from '../../metatrain/v1/ListWorkersResponse.ts';

export interface ClusterServiceClient extends grpc.Client {
  ListWorkers(argument: _metatrain_v1_ListWorkersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _metatrain_v1_ListWorkersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _metatrain_v1_ListWorkersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  ListWorkers(argument: _metatrain_v1_ListWorkersRequest, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _metatrain_v1_ListWorkersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _metatrain_v1_ListWorkersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _metatrain_v1_ListWorkersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  listWorkers(argument: _metatrain_v1_ListWorkersRequest, callback: grpc.requestCallback<_metatrain_v1_ListWorkersResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface ClusterServiceHandlers extends grpc.UntypedServiceImplementation {
  ListWorkers: grpc.handleUnaryCall<_metatrain_v1_ListWorkersRequest__Output, _metatrain_v1_ListWorkersResponse>;
  
}

export interface ClusterServiceDefinition extends grpc.ServiceDefinition {
  ListWorkers: MethodDefinition<_metatrain_v1_ListWorkersRequest, _metatrain_v1_ListWorkersResponse, _metatrain_v1_ListWorkersRequest__Output, _metatrain_v1_ListWorkersResponse__Output>
}
