// Original file: proto/metatrain/v1/job.proto


export interface Verdict {
  'outcome'?: (string);
  'text'?: (string);
  'differences'?: (string)[];
  'obstacles'?: (string)[];
}

export interface Verdict__Output {
  'outcome': (string);
  'text': (string);
  'differences': (string)[];
  'obstacles': (string)[];
}
