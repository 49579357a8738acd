// Original file: proto/metatrain/v1/worker.proto


export interface ShardFailure {
  'leaseId'?: (string);
  'jobId'?: (string);
  'code'?: (string);
  'message'?: (string);
  'permanent'?: (boolean);
  'requestId'?: (string);
  'owner'?: "jobId"|"requestId";
}

export interface ShardFailure__Output {
  'leaseId': (string);
  'jobId'?: (string);
  'code': (string);
  'message': (string);
  'permanent': (boolean);
  'requestId'?: (string);
  'owner'?: "jobId"|"requestId";
}
