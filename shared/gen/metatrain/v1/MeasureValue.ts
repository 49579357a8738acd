// Original file: proto/metatrain/v1/job.proto


export interface MeasureValue {
  'name'?: (string);
  'value'?: (number | string);
  'unit'?: (string);
}

export interface MeasureValue__Output {
  'name': (string);
  'value': (number);
  'unit': (string);
}
