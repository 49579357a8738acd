// Original file: proto/metatrain/v1/worker.proto

import type { ParamsLayout as _metatrain_v1_ParamsLayout, ParamsLayout__Output as _metatrain_v1_ParamsLayout__Output } from '../../metatrain/v1/ParamsLayout.ts';

export interface NamedTensors {
  'layout'?: (_metatrain_v1_ParamsLayout | null);
  'payloadSha256'?: (Buffer | Uint8Array | string);
}

export interface NamedTensors__Output {
  'layout': (_metatrain_v1_ParamsLayout__Output | null);
  'payloadSha256': (Buffer);
}
