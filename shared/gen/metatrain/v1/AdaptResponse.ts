// Original file: proto/metatrain/v1/model.proto

import type { AdaptedModel as _metatrain_v1_AdaptedModel, AdaptedModel__Output as _metatrain_v1_AdaptedModel__Output } from '../../metatrain/v1/AdaptedModel.ts';

export interface AdaptResponse {
  'models'?: (_metatrain_v1_AdaptedModel)[];
}

export interface AdaptResponse__Output {
  'models': (_metatrain_v1_AdaptedModel__Output)[];
}
