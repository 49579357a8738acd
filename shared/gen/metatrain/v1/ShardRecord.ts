// Original file: proto/metatrain/v1/job.proto

import type { Long } from '@grpc/proto-loader';

export interface ShardRecord {
  'metaStep'?: (number | string | Long);
  'shard'?: (number);
  'payloadSha256'?: (string);
}

export interface ShardRecord__Output {
  'metaStep': (number);
  'shard': (number);
  'payloadSha256': (string);
}
