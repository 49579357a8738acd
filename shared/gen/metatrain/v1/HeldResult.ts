// Original file: proto/metatrain/v1/worker.proto

import type { Long } from '@grpc/proto-loader';

export interface HeldResult {
  'jobId'?: (string);
  'work'?: (string);
  'paramsVersion'?: (number | string | Long);
  'shard'?: (number);
}

export interface HeldResult__Output {
  'jobId': (string);
  'work': (string);
  'paramsVersion': (number);
  'shard': (number);
}
