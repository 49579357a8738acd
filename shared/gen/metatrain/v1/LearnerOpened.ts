// Original file: proto/metatrain/v1/worker.proto


export interface LearnerOpened {
  'learnerId'?: (string);
  'spec'?: (string);
  'paramsSha256'?: (Buffer | Uint8Array | string);
}

export interface LearnerOpened__Output {
  'learnerId': (string);
  'spec': (string);
  'paramsSha256': (Buffer);
}
