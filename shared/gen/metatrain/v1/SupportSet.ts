// Original file: proto/metatrain/v1/model.proto

import type { Inputs as _metatrain_v1_Inputs, Inputs__Output as _metatrain_v1_Inputs__Output } from '../../metatrain/v1/Inputs.ts';

export interface SupportSet {
  'inputs'?: (_metatrain_v1_Inputs | null);
  'targets'?: (number | string)[];
  'labels'?: (string)[];
}

export interface SupportSet__Output {
  'inputs': (_metatrain_v1_Inputs__Output | null);
  'targets': (number)[];
  'labels': (string)[];
}
