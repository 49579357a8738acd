// Original file: proto/metatrain/v1/model.proto

import type { Prediction as _metatrain_v1_Prediction, Prediction__Output as _metatrain_v1_Prediction__Output } from '../../metatrain/v1/Prediction.ts';
import type { Long } from '@grpc/proto-loader';

export interface PredictResponse {
  'predictions'?: (_metatrain_v1_Prediction)[];
  'classes'?: (string)[];
  'jobId'?: (string);
  'step'?: (number | string | Long);
}

export interface PredictResponse__Output {
  'predictions': (_metatrain_v1_Prediction__Output)[];
  'classes': (string)[];
  'jobId': (string);
  'step': (number);
}
