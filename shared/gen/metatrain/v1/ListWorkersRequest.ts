// Original file: proto/metatrain/v1/cluster.proto


export interface ListWorkersRequest {
  'pageToken'?: (string);
}

export interface ListWorkersRequest__Output {
  'pageToken': (string);
}
