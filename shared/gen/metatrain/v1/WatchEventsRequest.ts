// Original file: proto/metatrain/v1/cluster.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.ts';
import type { Long } from '@grpc/proto-loader';

export interface WatchEventsRequest {
  'afterSequence'?: (number | string | Long);
  'since'?: (_google_protobuf_Timestamp | null);
  'jobId'?: (string);
  'noFollow'?: (boolean);
}

export interface WatchEventsRequest__Output {
  'afterSequence': (number);
  'since': (_google_protobuf_Timestamp__Output | null);
  'jobId': (string);
  'noFollow': (boolean);
}
