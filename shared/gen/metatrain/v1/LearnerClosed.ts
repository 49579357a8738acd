// Original file: proto/metatrain/v1/worker.proto


export interface LearnerClosed {
  'learnerId'?: (string);
}

export interface LearnerClosed__Output {
  'learnerId': (string);
}
