// Original file: proto/metatrain/v1/model.proto


export interface Images {
  'files'?: (Buffer | Uint8Array | string)[];
}

export interface Images__Output {
  'files': (Buffer)[];
}
