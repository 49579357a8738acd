// Original file: proto/metatrain/v1/job.proto

import type { EvaluationProtocol as _metatrain_v1_EvaluationProtocol, EvaluationProtocol__Output as _metatrain_v1_EvaluationProtocol__Output } from '../../metatrain/v1/EvaluationProtocol.ts';
import type { Measure as _metatrain_v1_Measure, Measure__Output as _metatrain_v1_Measure__Output } from '../../metatrain/v1/Measure.ts';
import type { Long } from '@grpc/proto-loader';

export interface Evaluation {
  'step'?: (number | string | Long);
  'protocol'?: (_metatrain_v1_EvaluationProtocol | null);
  'measures'?: (_metatrain_v1_Measure)[];
  'divergedTasks'?: (number);
}

export interface Evaluation__Output {
  'step': (number);
  'protocol': (_metatrain_v1_EvaluationProtocol__Output | null);
  'measures': (_metatrain_v1_Measure__Output)[];
  'divergedTasks': (number);
}
