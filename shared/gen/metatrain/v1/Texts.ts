// Original file: proto/metatrain/v1/model.proto


export interface Texts {
  'texts'?: (string)[];
}

export interface Texts__Output {
  'texts': (string)[];
}
