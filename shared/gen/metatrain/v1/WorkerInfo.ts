// Original file: proto/metatrain/v1/cluster.proto

import type { WorkerState as _metatrain_v1_WorkerState, WorkerState__Output as _metatrain_v1_WorkerState__Output } from '../../metatrain/v1/WorkerState.ts';
import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.ts';
import type { Device as _metatrain_v1_Device, Device__Output as _metatrain_v1_Device__Output } from '../../metatrain/v1/Device.ts';
import type { DataIdentity as _metatrain_v1_DataIdentity, DataIdentity__Output as _metatrain_v1_DataIdentity__Output } from '../../metatrain/v1/DataIdentity.ts';
import type { PluginIdentity as _metatrain_v1_PluginIdentity, PluginIdentity__Output as _metatrain_v1_PluginIdentity__Output } from '../../metatrain/v1/PluginIdentity.ts';
import type { Long } from '@grpc/proto-loader';

export interface WorkerInfo {
  'workerId'?: (string);
  'state'?: (_metatrain_v1_WorkerState);
  'address'?: (string);
  'engineFingerprint'?: (string);
  'slots'?: (number);
  'leases'?: (number);
  'shardsCompleted'?: (number | string | Long);
  'connectedAt'?: (_google_protobuf_Timestamp | null);
  'lastHeartbeatAt'?: (_google_protobuf_Timestamp | null);
  'idleReason'?: (string);
  'version'?: (string);
  'engine'?: (string);
  'device'?: (_metatrain_v1_Device | null);
  'resultsRejected'?: (number | string | Long);
  'data'?: (_metatrain_v1_DataIdentity)[];
  'plugins'?: (_metatrain_v1_PluginIdentity)[];
}

export interface WorkerInfo__Output {
  'workerId': (string);
  'state': (_metatrain_v1_WorkerState__Output);
  'address': (string);
  'engineFingerprint': (string);
  'slots': (number);
  'leases': (number);
  'shardsCompleted': (number);
  'connectedAt': (_google_protobuf_Timestamp__Output | null);
  'lastHeartbeatAt': (_google_protobuf_Timestamp__Output | null);
  'idleReason': (string);
  'version': (string);
  'engine': (string);
  'device': (_metatrain_v1_Device__Output | null);
  'resultsRejected': (number);
  'data': (_metatrain_v1_DataIdentity__Output)[];
  'plugins': (_metatrain_v1_PluginIdentity__Output)[];
}
