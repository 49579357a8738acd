// Original file: proto/metatrain/v1/job.proto

import type { MeasureValue as _metatrain_v1_MeasureValue, MeasureValue__Output as _metatrain_v1_MeasureValue__Output } from '../../metatrain/v1/MeasureValue.ts';
import type { Long } from '@grpc/proto-loader';

export interface MetaStepSummary {
  'step'?: (number | string | Long);
  'iterations'?: (number | string | Long);
  'measures'?: (_metatrain_v1_MeasureValue)[];
  'metaGradientNorm'?: (number | string);
  'tasksPerSecond'?: (number | string);
  'metaStepsPerSecond'?: (number | string);
  'learningRate'?: (number | string);
  'etaSeconds'?: (number | string);
  'taskGradientVariance'?: (number | string);
  'taskGradientCosine'?: (number | string);
  '_taskGradientVariance'?: "taskGradientVariance";
  '_taskGradientCosine'?: "taskGradientCosine";
}

export interface MetaStepSummary__Output {
  'step': (number);
  'iterations': (number);
  'measures': (_metatrain_v1_MeasureValue__Output)[];
  'metaGradientNorm': (number);
  'tasksPerSecond': (number);
  'metaStepsPerSecond': (number);
  'learningRate': (number);
  'etaSeconds': (number);
  'taskGradientVariance'?: (number);
  'taskGradientCosine'?: (number);
  '_taskGradientVariance'?: "taskGradientVariance";
  '_taskGradientCosine'?: "taskGradientCosine";
}
