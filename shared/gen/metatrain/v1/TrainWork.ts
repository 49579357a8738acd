// Original file: proto/metatrain/v1/worker.proto

import type { Long } from '@grpc/proto-loader';

export interface TrainWork {
  'paramsVersion'?: (number | string | Long);
  'metaStep'?: (number | string | Long);
  'shard'?: (number);
  'firstTask'?: (number | string | Long);
  'taskCount'?: (number);
  'carrySha256'?: (Buffer | Uint8Array | string);
  'tasks'?: (number | string | Long)[];
}

export interface TrainWork__Output {
  'paramsVersion': (number);
  'metaStep': (number);
  'shard': (number);
  'firstTask': (number);
  'taskCount': (number);
  'carrySha256': (Buffer);
  'tasks': (number)[];
}
