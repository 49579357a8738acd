// Original file: proto/metatrain/v1/job.proto

import type { Long } from '@grpc/proto-loader';

export interface WatchJobRequest {
  'jobId'?: (string);
  'afterSequence'?: (number | string | Long);
  'replayOnly'?: (boolean);
}

export interface WatchJobRequest__Output {
  'jobId': (string);
  'afterSequence': (number);
  'replayOnly': (boolean);
}
