// Original file: proto/metatrain/v1/worker.proto


export interface TrainResult {
  'payloadSha256'?: (Buffer | Uint8Array | string);
  'queryLoss'?: (number | string)[];
  'queryAccuracy'?: (number | string)[];
  'nonFiniteTasks'?: (number)[];
}

export interface TrainResult__Output {
  'payloadSha256': (Buffer);
  'queryLoss': (number)[];
  'queryAccuracy': (number)[];
  'nonFiniteTasks': (number)[];
}
