// Original file: proto/metatrain/v1/worker.proto

import type { HeldResult as _metatrain_v1_HeldResult, HeldResult__Output as _metatrain_v1_HeldResult__Output } from '../../metatrain/v1/HeldResult.ts';

export interface ResultsHeld {
  'results'?: (_metatrain_v1_HeldResult)[];
}

export interface ResultsHeld__Output {
  'results': (_metatrain_v1_HeldResult__Output)[];
}
