// Original file: proto/metatrain/v1/job.proto

import type { Long } from '@grpc/proto-loader';

export interface SkippedShard {
  'metaStep'?: (number | string | Long);
  'shard'?: (number);
  'tasks'?: (number | string | Long)[];
  'count'?: (number | string | Long);
}

export interface SkippedShard__Output {
  'metaStep': (number);
  'shard': (number);
  'tasks': (number)[];
  'count': (number);
}
