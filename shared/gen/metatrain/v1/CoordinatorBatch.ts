// Original file: proto/metatrain/v1/worker.proto

import type { CoordinatorMessage as _metatrain_v1_CoordinatorMessage, CoordinatorMessage__Output as _metatrain_v1_CoordinatorMessage__Output } from '../../metatrain/v1/CoordinatorMessage.ts';

export interface CoordinatorBatch {
  'messages'?: (_metatrain_v1_CoordinatorMessage)[];
}

export interface CoordinatorBatch__Output {
  'messages': (_metatrain_v1_CoordinatorMessage__Output)[];
}
