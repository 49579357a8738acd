// Original file: proto/metatrain/v1/worker.proto

import type { ParamsLayout as _metatrain_v1_ParamsLayout, ParamsLayout__Output as _metatrain_v1_ParamsLayout__Output } from '../../metatrain/v1/ParamsLayout.ts';

export interface JobOpened {
  'jobId'?: (string);
  'spec'?: (string);
  'layout'?: (_metatrain_v1_ParamsLayout | null);
}

export interface JobOpened__Output {
  'jobId': (string);
  'spec': (string);
  'layout': (_metatrain_v1_ParamsLayout__Output | null);
}
