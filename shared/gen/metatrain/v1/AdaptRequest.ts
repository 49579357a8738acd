// Original file: proto/metatrain/v1/model.proto

import type { SupportSet as _metatrain_v1_SupportSet, SupportSet__Output as _metatrain_v1_SupportSet__Output } from '../../metatrain/v1/SupportSet.ts';
import type { Long } from '@grpc/proto-loader';

export interface AdaptRequest {
  'jobId'?: (string);
  'step'?: (number | string | Long);
  'innerSteps'?: (number);
  'support'?: (_metatrain_v1_SupportSet)[];
  'keepSeconds'?: (number);
  'returnState'?: (boolean);
  '_step'?: "step";
  '_innerSteps'?: "innerSteps";
}

export interface AdaptRequest__Output {
  'jobId': (string);
  'step'?: (number);
  'innerSteps'?: (number);
  'support': (_metatrain_v1_SupportSet__Output)[];
  'keepSeconds': (number);
  'returnState': (boolean);
  '_step'?: "step";
  '_innerSteps'?: "innerSteps";
}
