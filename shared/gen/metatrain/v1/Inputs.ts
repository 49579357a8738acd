// Original file: proto/metatrain/v1/model.proto

import type { Numbers as _metatrain_v1_Numbers, Numbers__Output as _metatrain_v1_Numbers__Output } from '../../metatrain/v1/Numbers.ts';
import type { Images as _metatrain_v1_Images, Images__Output as _metatrain_v1_Images__Output } from '../../metatrain/v1/Images.ts';
import type { Texts as _metatrain_v1_Texts, Texts__Output as _metatrain_v1_Texts__Output } from '../../metatrain/v1/Texts.ts';

export interface Inputs {
  'numbers'?: (_metatrain_v1_Numbers | null);
  'images'?: (_metatrain_v1_Images | null);
  'texts'?: (_metatrain_v1_Texts | null);
  'form'?: "numbers"|"images"|"texts";
}

export interface Inputs__Output {
  'numbers'?: (_metatrain_v1_Numbers__Output | null);
  'images'?: (_metatrain_v1_Images__Output | null);
  'texts'?: (_metatrain_v1_Texts__Output | null);
  'form'?: "numbers"|"images"|"texts";
}
