// Original file: proto/metatrain/v1/worker.proto

import type { SpanStep as _metatrain_v1_SpanStep, SpanStep__Output as _metatrain_v1_SpanStep__Output } from '../../metatrain/v1/SpanStep.ts';

export interface SpanResult {
  'payloadSha256'?: (Buffer | Uint8Array | string);
  'steps'?: (_metatrain_v1_SpanStep)[];
}

export interface SpanResult__Output {
  'payloadSha256': (Buffer);
  'steps': (_metatrain_v1_SpanStep__Output)[];
}
