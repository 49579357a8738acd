// Original file: proto/metatrain/v1/job.proto

import type { Long } from '@grpc/proto-loader';

export interface DownloadCheckpointRequest {
  'jobId'?: (string);
  'step'?: (number | string | Long);
  '_step'?: "step";
}

export interface DownloadCheckpointRequest__Output {
  'jobId': (string);
  'step'?: (number);
  '_step'?: "step";
}
