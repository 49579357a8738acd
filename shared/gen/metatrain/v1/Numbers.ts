// Original file: proto/metatrain/v1/model.proto


export interface Numbers {
  'values'?: (number | string)[];
}

export interface Numbers__Output {
  'values': (number)[];
}
