// Original file: proto/metatrain/v1/worker.proto

import type { Long } from '@grpc/proto-loader';

export interface SpanWork {
  'paramsVersion'?: (number | string | Long);
  'maxSteps'?: (number);
  'budgetMs'?: (number);
  'slots'?: (number);
  'optimizerSha256'?: (Buffer | Uint8Array | string);
  'factors'?: (number | string)[];
}

export interface SpanWork__Output {
  'paramsVersion': (number);
  'maxSteps': (number);
  'budgetMs': (number);
  'slots': (number);
  'optimizerSha256': (Buffer);
  'factors': (number)[];
}
