// Original file: proto/metatrain/v1/worker.proto


export interface MeasureRows {
  'name'?: (string);
  'values'?: (number | string)[];
}

export interface MeasureRows__Output {
  'name': (string);
  'values': (number)[];
}
