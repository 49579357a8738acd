// Original file: proto/metatrain/v1/worker.proto

import type { DataIdentity as _metatrain_v1_DataIdentity, DataIdentity__Output as _metatrain_v1_DataIdentity__Output } from '../../metatrain/v1/DataIdentity.ts';

export interface LearnerOpened {
  'learnerId'?: (string);
  'spec'?: (string);
  'paramsSha256'?: (Buffer | Uint8Array | string);
  'data'?: (_metatrain_v1_DataIdentity)[];
}

export interface LearnerOpened__Output {
  'learnerId': (string);
  'spec': (string);
  'paramsSha256': (Buffer);
  'data': (_metatrain_v1_DataIdentity__Output)[];
}
