import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from './google/protobuf/Timestamp.ts';
import type { ClusterEvent as _metatrain_v1_ClusterEvent, ClusterEvent__Output as _metatrain_v1_ClusterEvent__Output } from './metatrain/v1/ClusterEvent.ts';
import type { ClusterServiceClient as _metatrain_v1_ClusterServiceClient, ClusterServiceDefinition as _metatrain_v1_ClusterServiceDefinition } from './metatrain/v1/ClusterService.ts';
import type { DataIdentity as _metatrain_v1_DataIdentity, DataIdentity__Output as _metatrain_v1_DataIdentity__Output } from './metatrain/v1/DataIdentity.ts';
import type { Device as _metatrain_v1_Device, Device__Output as _metatrain_v1_Device__Output } from './metatrain/v1/Device.ts';
import type { ListWorkersRequest as _metatrain_v1_ListWorkersRequest, ListWorkersRequest__Output as _metatrain_v1_ListWorkersRequest__Output } from './metatrain/v1/ListWorkersRequest.ts';
import type { ListWorkersResponse as _metatrain_v1_ListWorkersResponse, ListWorkersResponse__Output as _metatrain_v1_ListWorkersResponse__Output } from './metatrain/v1/ListWorkersResponse.ts';
import type { PluginIdentity as _metatrain_v1_PluginIdentity, PluginIdentity__Output as _metatrain_v1_PluginIdentity__Output } from './metatrain/v1/PluginIdentity.ts';
import type { WatchEventsRequest as _metatrain_v1_WatchEventsRequest, WatchEventsRequest__Output as _metatrain_v1_WatchEventsRequest__Output } from './metatrain/v1/WatchEventsRequest.ts';
import type { WorkerInfo as _metatrain_v1_WorkerInfo, WorkerInfo__Output as _metatrain_v1_WorkerInfo__Output } from './metatrain/v1/WorkerInfo.ts';

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
      ClusterEvent: MessageTypeDefinition<_metatrain_v1_ClusterEvent, _metatrain_v1_ClusterEvent__Output>
      ClusterService: SubtypeConstructor<typeof grpc.Client, _metatrain_v1_ClusterServiceClient> & { service: _metatrain_v1_ClusterServiceDefinition }
      DataIdentity: MessageTypeDefinition<_metatrain_v1_DataIdentity, _metatrain_v1_DataIdentity__Output>
      Device: MessageTypeDefinition<_metatrain_v1_Device, _metatrain_v1_Device__Output>
      ListWorkersRequest: MessageTypeDefinition<_metatrain_v1_ListWorkersRequest, _metatrain_v1_ListWorkersRequest__Output>
      ListWorkersResponse: MessageTypeDefinition<_metatrain_v1_ListWorkersResponse, _metatrain_v1_ListWorkersResponse__Output>
      PluginIdentity: MessageTypeDefinition<_metatrain_v1_PluginIdentity, _metatrain_v1_PluginIdentity__Output>
      WatchEventsRequest: MessageTypeDefinition<_metatrain_v1_WatchEventsRequest, _metatrain_v1_WatchEventsRequest__Output>
      WorkerInfo: MessageTypeDefinition<_metatrain_v1_WorkerInfo, _metatrain_v1_WorkerInfo__Output>
      WorkerState: EnumTypeDefinition
    }
  }
}

