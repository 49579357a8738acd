// Identifies a user's module of parts. The module changes the numbers, so a job that uses one of its
// parts is computed only by processes that hold the same bytes. Pure, and needs no Node.

/** A plugin: two are the same when their hashes are, whatever their files are called. */
export interface PluginIdentity {
  /** The file's name without its folders, for people. */
  readonly name: string;
  /** Of the file's bytes; hexadecimal. */
  readonly sha256: string;
}

/** Plugins of one process, at most. */
export const maxPlugins = 16;
/** Characters of a plugin's name, at most. */
export const maxPluginName = 200;

/** For example `my-parts.js (sha256 3b1c5e0f9a2d)`. */
export const describePlugin = ({ name, sha256 }: PluginIdentity): string => `${name} (sha256 ${sha256.slice(0, 12)})`;
