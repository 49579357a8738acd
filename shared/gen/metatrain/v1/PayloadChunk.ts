// Original file: proto/metatrain/v1/worker.proto

import type { Long } from '@grpc/proto-loader';

export interface PayloadChunk {
  'payloadSha256'?: (Buffer | Uint8Array | string);
  'payloadBytes'?: (number | string | Long);
  'offset'?: (number | string | Long);
  'data'?: (Buffer | Uint8Array | string);
}

export interface PayloadChunk__Output {
  'payloadSha256': (Buffer);
  'payloadBytes': (number);
  'offset': (number);
  'data': (Buffer);
}
