// Original file: proto/metatrain/v1/model.proto


export interface ListAdaptedRequest {
}

export interface ListAdaptedRequest__Output {
}
