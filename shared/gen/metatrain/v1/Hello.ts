// Original file: proto/metatrain/v1/worker.proto


export interface Hello {
  'protocolVersion'?: (number);
  'workerId'?: (string);
  'engineFingerprint'?: (string);
  'slots'?: (number);
  'version'?: (string);
}

export interface Hello__Output {
  'protocolVersion': (number);
  'workerId': (string);
  'engineFingerprint': (string);
  'slots': (number);
  'version': (string);
}
