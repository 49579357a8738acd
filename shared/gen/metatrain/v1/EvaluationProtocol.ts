// Original file: proto/metatrain/v1/job.proto


export interface EvaluationProtocol {
  'distribution'?: (string);
  'split'?: (string);
  'tasks'?: (number);
  'ways'?: (number);
  'shots'?: (number);
  'queries'?: (number);
  'transductive'?: (boolean);
  'splitDescription'?: (string);
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
}
