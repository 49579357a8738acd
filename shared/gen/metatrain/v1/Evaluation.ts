// Original file: proto/metatrain/v1/job.proto

import type { EvaluationProtocol as _metatrain_v1_EvaluationProtocol, EvaluationProtocol__Output as _metatrain_v1_EvaluationProtocol__Output } from '../../metatrain/v1/EvaluationProtocol.ts';
import type { Estimate as _metatrain_v1_Estimate, Estimate__Output as _metatrain_v1_Estimate__Output } from '../../metatrain/v1/Estimate.ts';
import type { Long } from '@grpc/proto-loader';

export interface Evaluation {
  'step'?: (number | string | Long);
  'protocol'?: (_metatrain_v1_EvaluationProtocol | null);
  'lossByInnerStep'?: (_metatrain_v1_Estimate)[];
  'accuracyByInnerStep'?: (_metatrain_v1_Estimate)[];
  'divergedTasks'?: (number);
}

export interface Evaluation__Output {
  'step': (number);
  'protocol': (_metatrain_v1_EvaluationProtocol__Output | null);
  'lossByInnerStep': (_metatrain_v1_Estimate__Output)[];
  'accuracyByInnerStep': (_metatrain_v1_Estimate__Output)[];
  'divergedTasks': (number);
}
