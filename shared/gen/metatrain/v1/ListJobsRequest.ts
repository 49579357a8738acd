// Original file: proto/metatrain/v1/job.proto

import type { JobState as _metatrain_v1_JobState, JobState__Output as _metatrain_v1_JobState__Output } from '../../metatrain/v1/JobState.ts';

export interface ListJobsRequest {
  'pageSize'?: (number);
  'pageToken'?: (string);
  'states'?: (_metatrain_v1_JobState)[];
}

export interface ListJobsRequest__Output {
  'pageSize': (number);
  'pageToken': (string);
  'states': (_metatrain_v1_JobState__Output)[];
}
