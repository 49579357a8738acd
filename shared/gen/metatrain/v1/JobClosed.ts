// Original file: proto/metatrain/v1/worker.proto


export interface JobClosed {
  'jobId'?: (string);
}

export interface JobClosed__Output {
  'jobId': (string);
}
