// Original file: proto/metatrain/v1/job.proto

import type { Measure as _metatrain_v1_Measure, Measure__Output as _metatrain_v1_Measure__Output } from '../../metatrain/v1/Measure.ts';
import type { Long } from '@grpc/proto-loader';

export interface EvaluationSummary {
  'step'?: (number | string | Long);
  'measures'?: (_metatrain_v1_Measure)[];
}

export interface EvaluationSummary__Output {
  'step': (number);
  'measures': (_metatrain_v1_Measure__Output)[];
}
