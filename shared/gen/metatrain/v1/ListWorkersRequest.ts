// Original file: proto/metatrain/v1/cluster.proto


export interface ListWorkersRequest {
}

export interface ListWorkersRequest__Output {
}
