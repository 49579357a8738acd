// Original file: proto/metatrain/v1/worker.proto

import type { SkippedTasks as _metatrain_v1_SkippedTasks, SkippedTasks__Output as _metatrain_v1_SkippedTasks__Output } from '../../metatrain/v1/SkippedTasks.ts';

export interface SpanStep {
  'paramsSha256'?: (Buffer | Uint8Array | string);
  'shardsSha256'?: (Buffer | Uint8Array | string);
  'measures'?: (number | string)[];
  'metaGradientNorm'?: (number | string);
  'taskGradientVariance'?: (number | string);
  'taskGradientCosine'?: (number | string);
  'skipped'?: (_metatrain_v1_SkippedTasks)[];
  '_taskGradientVariance'?: "taskGradientVariance";
  '_taskGradientCosine'?: "taskGradientCosine";
}

export interface SpanStep__Output {
  'paramsSha256': (Buffer);
  'shardsSha256': (Buffer);
  'measures': (number)[];
  'metaGradientNorm': (number);
  'taskGradientVariance'?: (number);
  'taskGradientCosine'?: (number);
  'skipped': (_metatrain_v1_SkippedTasks__Output)[];
  '_taskGradientVariance'?: "taskGradientVariance";
  '_taskGradientCosine'?: "taskGradientCosine";
}
