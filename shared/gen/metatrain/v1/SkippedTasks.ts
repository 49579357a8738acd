// Original file: proto/metatrain/v1/worker.proto


export interface SkippedTasks {
  'shard'?: (number);
  'tasks'?: (number)[];
}

export interface SkippedTasks__Output {
  'shard': (number);
  'tasks': (number)[];
}
