// Original file: proto/metatrain/v1/worker.proto

import type { MeasureRows as _metatrain_v1_MeasureRows, MeasureRows__Output as _metatrain_v1_MeasureRows__Output } from '../../metatrain/v1/MeasureRows.ts';

export interface TrainResult {
  'payloadSha256'?: (Buffer | Uint8Array | string);
  'weight'?: (number | string);
  'measures'?: (_metatrain_v1_MeasureRows)[];
  'nonFiniteTasks'?: (number)[];
  'carrySha256'?: (Buffer | Uint8Array | string);
}

export interface TrainResult__Output {
  'payloadSha256': (Buffer);
  'weight': (number);
  'measures': (_metatrain_v1_MeasureRows__Output)[];
  'nonFiniteTasks': (number)[];
  'carrySha256': (Buffer);
}
