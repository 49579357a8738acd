// Original file: proto/metatrain/v1/worker.proto

import type { NamedTensors as _metatrain_v1_NamedTensors, NamedTensors__Output as _metatrain_v1_NamedTensors__Output } from '../../metatrain/v1/NamedTensors.ts';

export interface PredictWork {
  'learnerId'?: (string);
  'state'?: (_metatrain_v1_NamedTensors | null);
  'inputsSha256'?: (Buffer | Uint8Array | string);
}

export interface PredictWork__Output {
  'learnerId': (string);
  'state': (_metatrain_v1_NamedTensors__Output | null);
  'inputsSha256': (Buffer);
}
