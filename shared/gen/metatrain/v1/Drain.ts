// Original file: proto/metatrain/v1/worker.proto


export interface Drain {
  'reason'?: (string);
  'graceMs'?: (number);
}

export interface Drain__Output {
  'reason': (string);
  'graceMs': (number);
}
