// Original file: proto/metatrain/v1/worker.proto

import type { NamedTensors as _metatrain_v1_NamedTensors, NamedTensors__Output as _metatrain_v1_NamedTensors__Output } from '../../metatrain/v1/NamedTensors.ts';

export interface AdaptResult {
  'state'?: (_metatrain_v1_NamedTensors | null);
}

export interface AdaptResult__Output {
  'state': (_metatrain_v1_NamedTensors__Output | null);
}
