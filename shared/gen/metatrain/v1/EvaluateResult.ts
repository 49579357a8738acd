// Original file: proto/metatrain/v1/worker.proto

import type { MeasureRows as _metatrain_v1_MeasureRows, MeasureRows__Output as _metatrain_v1_MeasureRows__Output } from '../../metatrain/v1/MeasureRows.ts';

export interface EvaluateResult {
  'measures'?: (_metatrain_v1_MeasureRows)[];
}

export interface EvaluateResult__Output {
  'measures': (_metatrain_v1_MeasureRows__Output)[];
}
