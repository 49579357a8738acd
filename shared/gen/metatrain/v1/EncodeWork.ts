// Original file: proto/metatrain/v1/worker.proto


export interface EncodeWork {
  'learnerId'?: (string);
  'form'?: (string);
  'itemBytes'?: (number)[];
  'itemsSha256'?: (Buffer | Uint8Array | string);
}

export interface EncodeWork__Output {
  'learnerId': (string);
  'form': (string);
  'itemBytes': (number)[];
  'itemsSha256': (Buffer);
}
