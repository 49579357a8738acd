// Original file: proto/metatrain/v1/model.proto

import type { SupportSet as _metatrain_v1_SupportSet, SupportSet__Output as _metatrain_v1_SupportSet__Output } from '../../metatrain/v1/SupportSet.ts';
import type { Inputs as _metatrain_v1_Inputs, Inputs__Output as _metatrain_v1_Inputs__Output } from '../../metatrain/v1/Inputs.ts';
import type { Long } from '@grpc/proto-loader';

export interface PredictRequest {
  'adaptedId'?: (string);
  'jobId'?: (string);
  'step'?: (number | string | Long);
  'innerSteps'?: (number);
  'support'?: (_metatrain_v1_SupportSet | null);
  'queries'?: (_metatrain_v1_Inputs | null);
  '_step'?: "step";
  '_innerSteps'?: "innerSteps";
}

export interface PredictRequest__Output {
  'adaptedId': (string);
  'jobId': (string);
  'step'?: (number);
  'innerSteps'?: (number);
  'support': (_metatrain_v1_SupportSet__Output | null);
  'queries': (_metatrain_v1_Inputs__Output | null);
  '_step'?: "step";
  '_innerSteps'?: "innerSteps";
}
