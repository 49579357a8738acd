// Original file: proto/metatrain/v1/worker.proto

import type { NamedTensors as _metatrain_v1_NamedTensors, NamedTensors__Output as _metatrain_v1_NamedTensors__Output } from '../../metatrain/v1/NamedTensors.ts';

export interface AdaptWork {
  'learnerId'?: (string);
  'support'?: (_metatrain_v1_NamedTensors | null);
  'point'?: (number);
}

export interface AdaptWork__Output {
  'learnerId': (string);
  'support': (_metatrain_v1_NamedTensors__Output | null);
  'point': (number);
}
