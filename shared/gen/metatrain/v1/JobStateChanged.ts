// Original file: proto/metatrain/v1/job.proto

import type { JobState as _metatrain_v1_JobState, JobState__Output as _metatrain_v1_JobState__Output } from '../../metatrain/v1/JobState.ts';
import type { JobError as _metatrain_v1_JobError, JobError__Output as _metatrain_v1_JobError__Output } from '../../metatrain/v1/JobError.ts';

export interface JobStateChanged {
  'state'?: (_metatrain_v1_JobState);
  'reason'?: (string);
  'error'?: (_metatrain_v1_JobError | null);
}

export interface JobStateChanged__Output {
  'state': (_metatrain_v1_JobState__Output);
  'reason': (string);
  'error': (_metatrain_v1_JobError__Output | null);
}
