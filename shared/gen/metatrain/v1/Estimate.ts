// Original file: proto/metatrain/v1/job.proto


export interface Estimate {
  'mean'?: (number | string);
  'halfWidth95'?: (number | string);
}

export interface Estimate__Output {
  'mean': (number);
  'halfWidth95': (number);
}
