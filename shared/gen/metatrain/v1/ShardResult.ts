// Original file: proto/metatrain/v1/worker.proto

import type { InitializeResult as _metatrain_v1_InitializeResult, InitializeResult__Output as _metatrain_v1_InitializeResult__Output } from '../../metatrain/v1/InitializeResult.ts';
import type { TrainResult as _metatrain_v1_TrainResult, TrainResult__Output as _metatrain_v1_TrainResult__Output } from '../../metatrain/v1/TrainResult.ts';
import type { EvaluateResult as _metatrain_v1_EvaluateResult, EvaluateResult__Output as _metatrain_v1_EvaluateResult__Output } from '../../metatrain/v1/EvaluateResult.ts';
import type { DataIdentity as _metatrain_v1_DataIdentity, DataIdentity__Output as _metatrain_v1_DataIdentity__Output } from '../../metatrain/v1/DataIdentity.ts';
import type { AdaptResult as _metatrain_v1_AdaptResult, AdaptResult__Output as _metatrain_v1_AdaptResult__Output } from '../../metatrain/v1/AdaptResult.ts';
import type { PredictResult as _metatrain_v1_PredictResult, PredictResult__Output as _metatrain_v1_PredictResult__Output } from '../../metatrain/v1/PredictResult.ts';
import type { SpanResult as _metatrain_v1_SpanResult, SpanResult__Output as _metatrain_v1_SpanResult__Output } from '../../metatrain/v1/SpanResult.ts';
import type { EncodeResult as _metatrain_v1_EncodeResult, EncodeResult__Output as _metatrain_v1_EncodeResult__Output } from '../../metatrain/v1/EncodeResult.ts';

export interface ShardResult {
  'leaseId'?: (string);
  'jobId'?: (string);
  'initialize'?: (_metatrain_v1_InitializeResult | null);
  'train'?: (_metatrain_v1_TrainResult | null);
  'evaluate'?: (_metatrain_v1_EvaluateResult | null);
  'computeMs'?: (number | string);
  'data'?: (_metatrain_v1_DataIdentity)[];
  'requestId'?: (string);
  'adapt'?: (_metatrain_v1_AdaptResult | null);
  'predict'?: (_metatrain_v1_PredictResult | null);
  'span'?: (_metatrain_v1_SpanResult | null);
  'encode'?: (_metatrain_v1_EncodeResult | null);
  'presentedAgain'?: (boolean);
  'owner'?: "jobId"|"requestId";
  'result'?: "initialize"|"train"|"evaluate"|"adapt"|"predict"|"span"|"encode";
}

export interface ShardResult__Output {
  'leaseId': (string);
  'jobId'?: (string);
  'initialize'?: (_metatrain_v1_InitializeResult__Output | null);
  'train'?: (_metatrain_v1_TrainResult__Output | null);
  'evaluate'?: (_metatrain_v1_EvaluateResult__Output | null);
  'computeMs': (number);
  'data': (_metatrain_v1_DataIdentity__Output)[];
  'requestId'?: (string);
  'adapt'?: (_metatrain_v1_AdaptResult__Output | null);
  'predict'?: (_metatrain_v1_PredictResult__Output | null);
  'span'?: (_metatrain_v1_SpanResult__Output | null);
  'encode'?: (_metatrain_v1_EncodeResult__Output | null);
  'presentedAgain': (boolean);
  'owner'?: "jobId"|"requestId";
  'result'?: "initialize"|"train"|"evaluate"|"adapt"|"predict"|"span"|"encode";
}
