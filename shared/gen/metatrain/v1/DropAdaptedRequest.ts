// Original file: proto/metatrain/v1/model.proto


export interface DropAdaptedRequest {
  'adaptedId'?: (string);
}

export interface DropAdaptedRequest__Output {
  'adaptedId': (string);
}
