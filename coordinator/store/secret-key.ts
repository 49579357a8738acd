// The coordinator's secret: 32 random bytes in `secret.key` of the state directory, which only its
// owner can read. The noise of jobs with `meta.privacy` is made from it, so a restart needs it to
// give the same bytes, and anyone who has it can take the noise away. It is shown nowhere.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import { randomSecret } from '../../shared/rng.ts';
import { makePrivateFile, privateFileMode } from './private-files.ts';
import { isOutOfRoom, mayBeReadLater } from './storage-errors.ts';

export const secretKeyFile = 'secret.key';
const keyBytes = 32;

/**
 * Makes the secret if there is none, and has it on the disk before it is used.
 *
 * @throws MetatrainError `DATA_CORRUPT` when the file holds something else, `DISK_FULL`,
 *   `STORAGE_UNAVAILABLE` or `INTERNAL` when it can be neither read nor written.
 */
export function openSecretKey(directory: string): Buffer {
  const file = join(directory, secretKeyFile);
  try {
    if (existsSync(file)) makePrivateFile(file);
    else writeDurably(directory, file, randomSecret());
    const key = Buffer.from(readFileSync(file, 'latin1'), 'base64url');
    if (key.byteLength === keyBytes) return key;
  } catch (cause) {
    const code = isOutOfRoom(cause) ? 'DISK_FULL' : mayBeReadLater(cause) ? 'STORAGE_UNAVAILABLE' : 'INTERNAL';
    throw new MetatrainError(code, `secret key ${file}: ${asMetatrainError(cause).message}`, { cause });
  }
  const message = `secret key ${file}: expected ${keyBytes} bytes in base64url; put the file of a backup there, or remove it: jobs with meta.privacy then go on with other noise`;
  throw new MetatrainError('DATA_CORRUPT', message);
}

function writeDurably(directory: string, file: string, text: string): void {
  const aside = `${file}.partial`;
  // What another start left may be incomplete.
  rmSync(aside, { force: true });
  const written = openSync(aside, 'wx', privateFileMode);
  try {
    writeSync(written, text);
    fsyncSync(written);
  } finally {
    closeSync(written);
  }
  renameSync(aside, file);
  if (process.platform === 'win32') return;
  const folder = openSync(directory, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
