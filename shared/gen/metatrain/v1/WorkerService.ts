// Original file: proto/metatrain/v1/worker.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CoordinatorMessage as _metatrain_v1_CoordinatorMessage, CoordinatorMessage__Output as _metatrain_v1_CoordinatorMessage__Output } from '../../metatrain/v1/CoordinatorMessage.ts';
import type { WorkerMessage as _metatrain_v1_WorkerMessage, WorkerMessage__Output as _metatrain_v1_WorkerMessage__Output } from '../../metatrain/v1/WorkerMessage.ts';

export interface WorkerServiceClient extends grpc.Client {
  Connect(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_metatrain_v1_WorkerMessage, _metatrain_v1_CoordinatorMessage__Output>;
  Connect(options?: grpc.CallOptions): grpc.ClientDuplexStream<_metatrain_v1_WorkerMessage, _metatrain_v1_CoordinatorMessage__Output>;
  connect(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_metatrain_v1_WorkerMessage, _metatrain_v1_CoordinatorMessage__Output>;
  connect(options?: grpc.CallOptions): grpc.ClientDuplexStream<_metatrain_v1_WorkerMessage, _metatrain_v1_CoordinatorMessage__Output>;
  
}

export interface WorkerServiceHandlers extends grpc.UntypedServiceImplementation {
  Connect: grpc.handleBidiStreamingCall<_metatrain_v1_WorkerMessage__Output, _metatrain_v1_CoordinatorMessage>;
  
}

export interface WorkerServiceDefinition extends grpc.ServiceDefinition {
  Connect: MethodDefinition<_metatrain_v1_WorkerMessage, _metatrain_v1_CoordinatorMessage, _metatrain_v1_WorkerMessage__Output, _metatrain_v1_CoordinatorMessage__Output>
}
