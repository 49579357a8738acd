// Original file: proto/metatrain/v1/model.proto


export interface GetAdaptedRequest {
  'adaptedId'?: (string);
}

export interface GetAdaptedRequest__Output {
  'adaptedId': (string);
}
