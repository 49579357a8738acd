// Original file: proto/metatrain/v1/job.proto


export interface JobPace {
  'spans'?: (boolean);
  'reason'?: (string);
  'spanMs'?: (number | string);
  'sharedMs'?: (number | string);
  '_spanMs'?: "spanMs";
  '_sharedMs'?: "sharedMs";
}

export interface JobPace__Output {
  'spans': (boolean);
  'reason': (string);
  'spanMs'?: (number);
  'sharedMs'?: (number);
  '_spanMs'?: "spanMs";
  '_sharedMs'?: "sharedMs";
}
