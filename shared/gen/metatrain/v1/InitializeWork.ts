// Original file: proto/metatrain/v1/worker.proto


export interface InitializeWork {
}

export interface InitializeWork__Output {
}
