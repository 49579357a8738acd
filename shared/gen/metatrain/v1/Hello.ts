// Original file: proto/metatrain/v1/worker.proto

import type { Device as _metatrain_v1_Device, Device__Output as _metatrain_v1_Device__Output } from '../../metatrain/v1/Device.ts';
import type { PluginIdentity as _metatrain_v1_PluginIdentity, PluginIdentity__Output as _metatrain_v1_PluginIdentity__Output } from '../../metatrain/v1/PluginIdentity.ts';

export interface Hello {
  'protocolVersion'?: (number);
  'workerId'?: (string);
  'engineFingerprint'?: (string);
  'slots'?: (number);
  'version'?: (string);
  'engine'?: (string);
  'device'?: (_metatrain_v1_Device | null);
  'plugins'?: (_metatrain_v1_PluginIdentity)[];
  'spans'?: (boolean);
}

export interface Hello__Output {
  'protocolVersion': (number);
  'workerId': (string);
  'engineFingerprint': (string);
  'slots': (number);
  'version': (string);
  'engine': (string);
  'device': (_metatrain_v1_Device__Output | null);
  'plugins': (_metatrain_v1_PluginIdentity__Output)[];
  'spans': (boolean);
}
