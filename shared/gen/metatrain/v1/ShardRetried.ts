// Original file: proto/metatrain/v1/job.proto

import type { Long } from '@grpc/proto-loader';

export interface ShardRetried {
  'metaStep'?: (number | string | Long);
  'shard'?: (number);
  'workerId'?: (string);
  'reason'?: (string);
}

export interface ShardRetried__Output {
  'metaStep': (number);
  'shard': (number);
  'workerId': (string);
  'reason': (string);
}
