// Directories and files that only their owner may read, from the first byte on: a mode that is set
// afterwards leaves a moment in between.
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';

const privateDirectoryMode = 0o700;
export const privateFileMode = 0o600;

/**
 * Makes the directory and those above it where they are missing. Takes one that was there away from
 * others, unless it belongs to another user.
 */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: privateDirectoryMode });
  closeToOthers(path, privateDirectoryMode);
}

/** The same for a file; makes an empty one where there is none. */
export function makePrivateFile(path: string): void {
  closeSync(openSync(path, 'a', privateFileMode));
  closeToOthers(path, privateFileMode);
}

function closeToOthers(path: string, wanted: number): void {
  const { mode, uid } = statSync(path);
  const isOpen = (mode & 0o077) !== 0 && process.platform !== 'win32';
  if (isOpen && uid === process.getuid?.()) chmodSync(path, wanted);
}
