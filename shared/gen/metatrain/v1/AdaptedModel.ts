// Original file: proto/metatrain/v1/model.proto

import type { Timestamp as _google_protobuf_Timestamp, Timestamp__Output as _google_protobuf_Timestamp__Output } from '../../google/protobuf/Timestamp.ts';
import type { AdaptedState as _metatrain_v1_AdaptedState, AdaptedState__Output as _metatrain_v1_AdaptedState__Output } from '../../metatrain/v1/AdaptedState.ts';
import type { Long } from '@grpc/proto-loader';

export interface AdaptedModel {
  'adaptedId'?: (string);
  'jobId'?: (string);
  'step'?: (number | string | Long);
  'point'?: (string);
  'classes'?: (string)[];
  'examples'?: (number);
  'adaptedAt'?: (_google_protobuf_Timestamp | null);
  'expiresAt'?: (_google_protobuf_Timestamp | null);
  'bytes'?: (number | string | Long);
  'state'?: (_metatrain_v1_AdaptedState | null);
}

export interface AdaptedModel__Output {
  'adaptedId': (string);
  'jobId': (string);
  'step': (number);
  'point': (string);
  'classes': (string)[];
  'examples': (number);
  'adaptedAt': (_google_protobuf_Timestamp__Output | null);
  'expiresAt': (_google_protobuf_Timestamp__Output | null);
  'bytes': (number);
  'state': (_metatrain_v1_AdaptedState__Output | null);
}
