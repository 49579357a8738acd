// Original file: proto/metatrain/v1/worker.proto


export interface EvaluateResult {
  'lossByInnerStep'?: (number | string)[];
  'accuracyByInnerStep'?: (number | string)[];
  'innerSteps'?: (number);
}

export interface EvaluateResult__Output {
  'lossByInnerStep': (number)[];
  'accuracyByInnerStep': (number)[];
  'innerSteps': (number);
}
