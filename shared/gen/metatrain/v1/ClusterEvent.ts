// Original file: proto/metatrain/v1/cluster.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.ts';
import type { Long } from '@grpc/proto-loader';

export interface ClusterEvent {
  'sequence'?: (number | string | Long);
  'time'?: (_google_protobuf_Timestamp | null);
  'id'?: (string);
  'source'?: (string);
  'type'?: (string);
  'subject'?: (string);
  'data'?: (string);
}

export interface ClusterEvent__Output {
  'sequence': (number);
  'time': (_google_protobuf_Timestamp__Output | null);
  'id': (string);
  'source': (string);
  'type': (string);
  'subject': (string);
  'data': (string);
}
