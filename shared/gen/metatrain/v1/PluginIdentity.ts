// Original file: proto/metatrain/v1/plugin_identity.proto


export interface PluginIdentity {
  'name'?: (string);
  'sha256'?: (string);
}

export interface PluginIdentity__Output {
  'name': (string);
  'sha256': (string);
}
