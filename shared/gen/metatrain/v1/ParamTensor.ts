// Original file: proto/metatrain/v1/worker.proto


export interface ParamTensor {
  'name'?: (string);
  'shape'?: (number)[];
}

export interface ParamTensor__Output {
  'name': (string);
  'shape': (number)[];
}
