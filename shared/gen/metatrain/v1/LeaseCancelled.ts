// Original file: proto/metatrain/v1/worker.proto


export interface LeaseCancelled {
  'leaseId'?: (string);
  'reason'?: (string);
}

export interface LeaseCancelled__Output {
  'leaseId': (string);
  'reason': (string);
}
