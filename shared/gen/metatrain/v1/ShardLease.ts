// Original file: proto/metatrain/v1/worker.proto

import type { InitializeWork as _metatrain_v1_InitializeWork, InitializeWork__Output as _metatrain_v1_InitializeWork__Output } from '../../metatrain/v1/InitializeWork.ts';
import type { TrainWork as _metatrain_v1_TrainWork, TrainWork__Output as _metatrain_v1_TrainWork__Output } from '../../metatrain/v1/TrainWork.ts';
import type { EvaluateWork as _metatrain_v1_EvaluateWork, EvaluateWork__Output as _metatrain_v1_EvaluateWork__Output } from '../../metatrain/v1/EvaluateWork.ts';
import type { AdaptWork as _metatrain_v1_AdaptWork, AdaptWork__Output as _metatrain_v1_AdaptWork__Output } from '../../metatrain/v1/AdaptWork.ts';
import type { PredictWork as _metatrain_v1_PredictWork, PredictWork__Output as _metatrain_v1_PredictWork__Output } from '../../metatrain/v1/PredictWork.ts';
import type { SpanWork as _metatrain_v1_SpanWork, SpanWork__Output as _metatrain_v1_SpanWork__Output } from '../../metatrain/v1/SpanWork.ts';
import type { EncodeWork as _metatrain_v1_EncodeWork, EncodeWork__Output as _metatrain_v1_EncodeWork__Output } from '../../metatrain/v1/EncodeWork.ts';

export interface ShardLease {
  'leaseId'?: (string);
  'jobId'?: (string);
  'attempt'?: (number);
  'deadlineMs'?: (number);
  'initialize'?: (_metatrain_v1_InitializeWork | null);
  'train'?: (_metatrain_v1_TrainWork | null);
  'evaluate'?: (_metatrain_v1_EvaluateWork | null);
  'requestId'?: (string);
  'adapt'?: (_metatrain_v1_AdaptWork | null);
  'predict'?: (_metatrain_v1_PredictWork | null);
  'span'?: (_metatrain_v1_SpanWork | null);
  'encode'?: (_metatrain_v1_EncodeWork | null);
  'traceparent'?: (string);
  'owner'?: "jobId"|"requestId";
  'work'?: "initialize"|"train"|"evaluate"|"adapt"|"predict"|"span"|"encode";
}

export interface ShardLease__Output {
  'leaseId': (string);
  'jobId'?: (string);
  'attempt': (number);
  'deadlineMs': (number);
  'initialize'?: (_metatrain_v1_InitializeWork__Output | null);
  'train'?: (_metatrain_v1_TrainWork__Output | null);
  'evaluate'?: (_metatrain_v1_EvaluateWork__Output | null);
  'requestId'?: (string);
  'adapt'?: (_metatrain_v1_AdaptWork__Output | null);
  'predict'?: (_metatrain_v1_PredictWork__Output | null);
  'span'?: (_metatrain_v1_SpanWork__Output | null);
  'encode'?: (_metatrain_v1_EncodeWork__Output | null);
  'traceparent': (string);
  'owner'?: "jobId"|"requestId";
  'work'?: "initialize"|"train"|"evaluate"|"adapt"|"predict"|"span"|"encode";
}
