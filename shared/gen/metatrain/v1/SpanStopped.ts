// Original file: proto/metatrain/v1/worker.proto


export interface SpanStopped {
  'leaseId'?: (string);
}

export interface SpanStopped__Output {
  'leaseId': (string);
}
