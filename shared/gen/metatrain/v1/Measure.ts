// Original file: proto/metatrain/v1/job.proto

import type { Estimate as _metatrain_v1_Estimate, Estimate__Output as _metatrain_v1_Estimate__Output } from '../../metatrain/v1/Estimate.ts';

export interface Measure {
  'name'?: (string);
  'title'?: (string);
  'axis'?: (string);
  'points'?: (string)[];
  'better'?: (string);
  'unit'?: (string);
  'estimates'?: (_metatrain_v1_Estimate)[];
}

export interface Measure__Output {
  'name': (string);
  'title': (string);
  'axis': (string);
  'points': (string)[];
  'better': (string);
  'unit': (string);
  'estimates': (_metatrain_v1_Estimate__Output)[];
}
