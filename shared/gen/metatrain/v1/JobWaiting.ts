// Original file: proto/metatrain/v1/job.proto


export interface JobWaiting {
  'reason'?: (string);
  'message'?: (string);
}

export interface JobWaiting__Output {
  'reason': (string);
  'message': (string);
}
