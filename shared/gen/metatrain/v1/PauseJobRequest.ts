// Original file: proto/metatrain/v1/job.proto


export interface PauseJobRequest {
  'jobId'?: (string);
}

export interface PauseJobRequest__Output {
  'jobId': (string);
}
