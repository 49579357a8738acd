// Original file: proto/metatrain/v1/job.proto

import type { Long } from '@grpc/proto-loader';

export interface EvaluationProtocol {
  'distribution'?: (string);
  'split'?: (string);
  'tasks'?: (number);
  'ways'?: (number);
  'shots'?: (number);
  'queries'?: (number);
  'transductive'?: (boolean);
  'splitDescription'?: (string);
  'ensemble'?: (number | string | Long)[];
}

export interface EvaluationProtocol__Output {
  'distribution': (string);
  'split': (string);
  'tasks': (number);
  'ways': (number);
  'shots': (number);
  'queries': (number);
  'transductive': (boolean);
  'splitDescription': (string);
  'ensemble': (number)[];
}
