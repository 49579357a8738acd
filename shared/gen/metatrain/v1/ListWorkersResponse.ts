// Original file: proto/metatrain/v1/cluster.proto

import type { WorkerInfo as _metatrain_v1_WorkerInfo, WorkerInfo__Output as _metatrain_v1_WorkerInfo__Output } from '../../metatrain/v1/WorkerInfo.ts';

export interface ListWorkersResponse {
  'workers'?: (_metatrain_v1_WorkerInfo)[];
  'nextPageToken'?: (string);
}

export interface ListWorkersResponse__Output {
  'workers': (_metatrain_v1_WorkerInfo__Output)[];
  'nextPageToken': (string);
}
