// Original file: proto/metatrain/v1/job.proto

import type { Estimate as _metatrain_v1_Estimate, Estimate__Output as _metatrain_v1_Estimate__Output } from '../../metatrain/v1/Estimate.ts';
import type { Long } from '@grpc/proto-loader';

export interface EvaluationSummary {
  'step'?: (number | string | Long);
  'innerSteps'?: (number);
  'loss'?: (_metatrain_v1_Estimate | null);
  'accuracy'?: (_metatrain_v1_Estimate | null);
}

export interface EvaluationSummary__Output {
  'step': (number);
  'innerSteps': (number);
  'loss': (_metatrain_v1_Estimate__Output | null);
  'accuracy': (_metatrain_v1_Estimate__Output | null);
}
