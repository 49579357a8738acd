// Original file: proto/metatrain/v1/job.proto


export interface ResumeJobRequest {
  'jobId'?: (string);
}

export interface ResumeJobRequest__Output {
  'jobId': (string);
}
