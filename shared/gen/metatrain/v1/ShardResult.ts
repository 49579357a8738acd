// Original file: proto/metatrain/v1/worker.proto

import type { InitializeResult as _metatrain_v1_InitializeResult, InitializeResult__Output as _metatrain_v1_InitializeResult__Output } from '../../metatrain/v1/InitializeResult.ts';
import type { TrainResult as _metatrain_v1_TrainResult, TrainResult__Output as _metatrain_v1_TrainResult__Output } from '../../metatrain/v1/TrainResult.ts';
import type { EvaluateResult as _metatrain_v1_EvaluateResult, EvaluateResult__Output as _metatrain_v1_EvaluateResult__Output } from '../../metatrain/v1/EvaluateResult.ts';
import type { DataIdentity as _metatrain_v1_DataIdentity, DataIdentity__Output as _metatrain_v1_DataIdentity__Output } from '../../metatrain/v1/DataIdentity.ts';

export interface ShardResult {
  'leaseId'?: (string);
  'jobId'?: (string);
  'initialize'?: (_metatrain_v1_InitializeResult | null);
  'train'?: (_metatrain_v1_TrainResult | null);
  'evaluate'?: (_metatrain_v1_EvaluateResult | null);
  'computeMs'?: (number | string);
  'data'?: (_metatrain_v1_DataIdentity)[];
  'presentedAgain'?: (boolean);
  'result'?: "initialize"|"train"|"evaluate";
}

export interface ShardResult__Output {
  'leaseId': (string);
  'jobId': (string);
  'initialize'?: (_metatrain_v1_InitializeResult__Output | null);
  'train'?: (_metatrain_v1_TrainResult__Output | null);
  'evaluate'?: (_metatrain_v1_EvaluateResult__Output | null);
  'computeMs': (number);
  'data': (_metatrain_v1_DataIdentity__Output)[];
  'presentedAgain': (boolean);
  'result'?: "initialize"|"train"|"evaluate";
}
