// Original file: proto/metatrain/v1/job.proto


export interface JobWords {
  'method'?: (string);
  'model'?: (string);
  'episode'?: (string);
  'queries'?: (string);
  'data'?: (string);
}

export interface JobWords__Output {
  'method': (string);
  'model': (string);
  'episode': (string);
  'queries': (string);
  'data': (string);
}
