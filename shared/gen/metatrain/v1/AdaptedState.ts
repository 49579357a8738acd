// Original file: proto/metatrain/v1/model.proto

import type { ParamsLayout as _metatrain_v1_ParamsLayout, ParamsLayout__Output as _metatrain_v1_ParamsLayout__Output } from '../../metatrain/v1/ParamsLayout.ts';

export interface AdaptedState {
  'layout'?: (_metatrain_v1_ParamsLayout | null);
  'data'?: (Buffer | Uint8Array | string);
}

export interface AdaptedState__Output {
  'layout': (_metatrain_v1_ParamsLayout__Output | null);
  'data': (Buffer);
}
