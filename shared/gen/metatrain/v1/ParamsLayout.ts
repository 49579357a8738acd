// Original file: proto/metatrain/v1/worker.proto

import type { ParamTensor as _metatrain_v1_ParamTensor, ParamTensor__Output as _metatrain_v1_ParamTensor__Output } from '../../metatrain/v1/ParamTensor.ts';

export interface ParamsLayout {
  'tensors'?: (_metatrain_v1_ParamTensor)[];
}

export interface ParamsLayout__Output {
  'tensors': (_metatrain_v1_ParamTensor__Output)[];
}
