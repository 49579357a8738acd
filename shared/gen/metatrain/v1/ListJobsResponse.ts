// Original file: proto/metatrain/v1/job.proto

import type { JobSummary as _metatrain_v1_JobSummary, JobSummary__Output as _metatrain_v1_JobSummary__Output } from '../../metatrain/v1/JobSummary.ts';

export interface ListJobsResponse {
  'jobs'?: (_metatrain_v1_JobSummary)[];
  'nextPageToken'?: (string);
}

export interface ListJobsResponse__Output {
  'jobs': (_metatrain_v1_JobSummary__Output)[];
  'nextPageToken': (string);
}
