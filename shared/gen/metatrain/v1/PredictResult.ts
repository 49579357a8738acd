// Original file: proto/metatrain/v1/worker.proto


export interface PredictResult {
  'payloadSha256'?: (Buffer | Uint8Array | string);
  'shape'?: (number)[];
}

export interface PredictResult__Output {
  'payloadSha256': (Buffer);
  'shape': (number)[];
}
