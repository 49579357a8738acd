// Original file: proto/metatrain/v1/job.proto


export interface SubmitJobResponse {
  'jobId'?: (string);
  'alreadySubmitted'?: (boolean);
}

export interface SubmitJobResponse__Output {
  'jobId': (string);
  'alreadySubmitted': (boolean);
}
