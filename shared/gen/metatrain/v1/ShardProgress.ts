// Original file: proto/metatrain/v1/worker.proto


export interface ShardProgress {
  'leaseId'?: (string);
  'phase'?: (string);
  'reopening'?: (boolean);
}

export interface ShardProgress__Output {
  'leaseId': (string);
  'phase': (string);
  'reopening': (boolean);
}
