// Original file: proto/metatrain/v1/job.proto

import type { Long } from '@grpc/proto-loader';

export interface DeleteJobResponse {
  'checkpoints'?: (number);
  'checkpointBytes'?: (number | string | Long);
}

export interface DeleteJobResponse__Output {
  'checkpoints': (number);
  'checkpointBytes': (number);
}
