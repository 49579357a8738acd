// Original file: proto/metatrain/v1/model.proto


export interface Prediction {
  'outputs'?: (number | string)[];
  'className'?: (string);
  'probabilities'?: (number | string)[];
}

export interface Prediction__Output {
  'outputs': (number)[];
  'className': (string);
  'probabilities': (number)[];
}
