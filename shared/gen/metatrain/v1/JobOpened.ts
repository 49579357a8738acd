// Original file: proto/metatrain/v1/worker.proto

import type { ParamsLayout as _metatrain_v1_ParamsLayout, ParamsLayout__Output as _metatrain_v1_ParamsLayout__Output } from '../../metatrain/v1/ParamsLayout.ts';
import type { DataIdentity as _metatrain_v1_DataIdentity, DataIdentity__Output as _metatrain_v1_DataIdentity__Output } from '../../metatrain/v1/DataIdentity.ts';

export interface JobOpened {
  'jobId'?: (string);
  'spec'?: (string);
  'layout'?: (_metatrain_v1_ParamsLayout | null);
  'data'?: (_metatrain_v1_DataIdentity)[];
}

export interface JobOpened__Output {
  'jobId': (string);
  'spec': (string);
  'layout': (_metatrain_v1_ParamsLayout__Output | null);
  'data': (_metatrain_v1_DataIdentity__Output)[];
}
