// Original file: proto/metatrain/v1/worker.proto

import type { WorkerMessage as _metatrain_v1_WorkerMessage, WorkerMessage__Output as _metatrain_v1_WorkerMessage__Output } from '../../metatrain/v1/WorkerMessage.ts';

export interface WorkerBatch {
  'messages'?: (_metatrain_v1_WorkerMessage)[];
}

export interface WorkerBatch__Output {
  'messages': (_metatrain_v1_WorkerMessage__Output)[];
}
