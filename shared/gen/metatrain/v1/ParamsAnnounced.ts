// Original file: proto/metatrain/v1/worker.proto

import type { Long } from '@grpc/proto-loader';

export interface ParamsAnnounced {
  'jobId'?: (string);
  'paramsVersion'?: (number | string | Long);
  'payloadSha256'?: (Buffer | Uint8Array | string);
}

export interface ParamsAnnounced__Output {
  'jobId': (string);
  'paramsVersion': (number);
  'payloadSha256': (Buffer);
}
