// Original file: proto/metatrain/v1/job.proto

import type { Long } from '@grpc/proto-loader';

export interface MetaStepSummary {
  'step'?: (number | string | Long);
  'iterations'?: (number | string | Long);
  'queryLoss'?: (number | string);
  'queryAccuracy'?: (number | string);
  'metaGradientNorm'?: (number | string);
  'tasksPerSecond'?: (number | string);
  'metaStepsPerSecond'?: (number | string);
  'learningRate'?: (number | string);
  'etaSeconds'?: (number | string);
  'taskGradientVariance'?: (number | string);
  'taskGradientCosine'?: (number | string);
  '_queryAccuracy'?: "queryAccuracy";
  '_taskGradientVariance'?: "taskGradientVariance";
  '_taskGradientCosine'?: "taskGradientCosine";
}

export interface MetaStepSummary__Output {
  'step': (number);
  'iterations': (number);
  'queryLoss': (number);
  'queryAccuracy'?: (number);
  'metaGradientNorm': (number);
  'tasksPerSecond': (number);
  'metaStepsPerSecond': (number);
  'learningRate': (number);
  'etaSeconds': (number);
  'taskGradientVariance'?: (number);
  'taskGradientCosine'?: (number);
  '_queryAccuracy'?: "queryAccuracy";
  '_taskGradientVariance'?: "taskGradientVariance";
  '_taskGradientCosine'?: "taskGradientCosine";
}
