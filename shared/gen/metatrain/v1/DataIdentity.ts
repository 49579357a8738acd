// Original file: proto/metatrain/v1/data_identity.proto


export interface DataIdentity {
  'name'?: (string);
  'part'?: (string);
  'sha256'?: (string);
}

export interface DataIdentity__Output {
  'name': (string);
  'part': (string);
  'sha256': (string);
}
