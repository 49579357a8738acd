// Original file: proto/metatrain/v1/worker.proto

import type { Long } from '@grpc/proto-loader';

export interface EvaluateWork {
  'paramsVersion'?: (number | string | Long);
  'shard'?: (number);
  'split'?: (string);
  'firstTask'?: (number | string | Long);
  'taskCount'?: (number);
  'members'?: (number | string | Long)[];
}

export interface EvaluateWork__Output {
  'paramsVersion': (number);
  'shard': (number);
  'split': (string);
  'firstTask': (number);
  'taskCount': (number);
  'members': (number)[];
}
