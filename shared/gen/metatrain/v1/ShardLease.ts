// Original file: proto/metatrain/v1/worker.proto

import type { InitializeWork as _metatrain_v1_InitializeWork, InitializeWork__Output as _metatrain_v1_InitializeWork__Output } from '../../metatrain/v1/InitializeWork.ts';
import type { TrainWork as _metatrain_v1_TrainWork, TrainWork__Output as _metatrain_v1_TrainWork__Output } from '../../metatrain/v1/TrainWork.ts';
import type { EvaluateWork as _metatrain_v1_EvaluateWork, EvaluateWork__Output as _metatrain_v1_EvaluateWork__Output } from '../../metatrain/v1/EvaluateWork.ts';

export interface ShardLease {
  'leaseId'?: (string);
  'jobId'?: (string);
  'attempt'?: (number);
  'deadlineMs'?: (number);
  'initialize'?: (_metatrain_v1_InitializeWork | null);
  'train'?: (_metatrain_v1_TrainWork | null);
  'evaluate'?: (_metatrain_v1_EvaluateWork | null);
  'traceparent'?: (string);
  'work'?: "initialize"|"train"|"evaluate";
}

export interface ShardLease__Output {
  'leaseId': (string);
  'jobId': (string);
  'attempt': (number);
  'deadlineMs': (number);
  'initialize'?: (_metatrain_v1_InitializeWork__Output | null);
  'train'?: (_metatrain_v1_TrainWork__Output | null);
  'evaluate'?: (_metatrain_v1_EvaluateWork__Output | null);
  'traceparent': (string);
  'work'?: "initialize"|"train"|"evaluate";
}
