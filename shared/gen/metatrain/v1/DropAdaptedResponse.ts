// Original file: proto/metatrain/v1/model.proto


export interface DropAdaptedResponse {
}

export interface DropAdaptedResponse__Output {
}
