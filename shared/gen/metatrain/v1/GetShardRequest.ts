// Original file: proto/metatrain/v1/job.proto

import type { Long } from '@grpc/proto-loader';

export interface GetShardRequest {
  'jobId'?: (string);
  'metaStep'?: (number | string | Long);
  'shard'?: (number);
}

export interface GetShardRequest__Output {
  'jobId': (string);
  'metaStep': (number);
  'shard': (number);
}
