// Original file: proto/metatrain/v1/job.proto


export interface SubmitJobRequest {
  'spec'?: (string);
  'idempotencyKey'?: (string);
  'overrides'?: (string)[];
}

export interface SubmitJobRequest__Output {
  'spec': (string);
  'idempotencyKey': (string);
  'overrides': (string)[];
}
