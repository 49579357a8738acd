// Original file: proto/metatrain/v1/job.proto

import type { Job as _metatrain_v1_Job, Job__Output as _metatrain_v1_Job__Output } from '../../metatrain/v1/Job.ts';

export interface ListJobsResponse {
  'jobs'?: (_metatrain_v1_Job)[];
  'nextPageToken'?: (string);
}

export interface ListJobsResponse__Output {
  'jobs': (_metatrain_v1_Job__Output)[];
  'nextPageToken': (string);
}
