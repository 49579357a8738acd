// Original file: proto/metatrain/v1/job.proto

import type { Long } from '@grpc/proto-loader';

export interface CheckpointInfo {
  'step'?: (number | string | Long);
  'sha256'?: (string);
  'bytes'?: (number | string | Long);
  'paramsSha256'?: (string);
}

export interface CheckpointInfo__Output {
  'step': (number);
  'sha256': (string);
  'bytes': (number);
  'paramsSha256': (string);
}
