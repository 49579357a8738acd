// Original file: proto/metatrain/v1/worker.proto


export interface EncodeResult {
  'payloadSha256'?: (Buffer | Uint8Array | string);
  'shape'?: (number)[];
}

export interface EncodeResult__Output {
  'payloadSha256': (Buffer);
  'shape': (number)[];
}
