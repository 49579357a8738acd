// Original file: proto/metatrain/v1/device.proto

import type { Long } from '@grpc/proto-loader';

export interface Device {
  'kind'?: (string);
  'name'?: (string);
  'memoryBytes'?: (number | string | Long);
  'driver'?: (string);
}

export interface Device__Output {
  'kind': (string);
  'name': (string);
  'memoryBytes': (number);
  'driver': (string);
}
