// Original file: proto/metatrain/v1/job.proto

import type { CheckpointInfo as _metatrain_v1_CheckpointInfo, CheckpointInfo__Output as _metatrain_v1_CheckpointInfo__Output } from '../../metatrain/v1/CheckpointInfo.ts';
import type { Long } from '@grpc/proto-loader';

export interface CheckpointChunk {
  'info'?: (_metatrain_v1_CheckpointInfo | null);
  'offset'?: (number | string | Long);
  'data'?: (Buffer | Uint8Array | string);
}

export interface CheckpointChunk__Output {
  'info': (_metatrain_v1_CheckpointInfo__Output | null);
  'offset': (number);
  'data': (Buffer);
}
