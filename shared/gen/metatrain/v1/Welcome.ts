// Original file: proto/metatrain/v1/worker.proto


export interface Welcome {
  'protocolVersion'?: (number);
  'heartbeatIntervalMs'?: (number);
  'coordinatorVersion'?: (string);
}

export interface Welcome__Output {
  'protocolVersion': (number);
  'heartbeatIntervalMs': (number);
  'coordinatorVersion': (string);
}
