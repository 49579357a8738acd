// Creates directories and files that only their owner may read, from the first byte on: a mode that
// is set afterwards leaves a moment in between.
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';

const privateDirectoryMode = 0o700;
export const privateFileMode = 0o600;

/**
 * Makes the directory and its missing parents. Takes the rights of other users from an existing
 * directory, unless it belongs to another user.
 */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: privateDirectoryMode });
  closeToOthers(path, privateDirectoryMode);
}

/** Takes the rights of other users from a file, and makes an empty one if it is missing. */
export function makePrivateFile(path: string): void {
  closeSync(openSync(path, 'a', privateFileMode));
  closeToOthers(path, privateFileMode);
}

function closeToOthers(path: string, wanted: number): void {
  const { mode, uid } = statSync(path);
  const isOpen = (mode & 0o077) !== 0 && process.platform !== 'win32';
  if (isOpen && uid === process.getuid?.()) chmodSync(path, wanted);
}
