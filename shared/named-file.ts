// Reads a file that a flag names. An error names the flag and the file, and says in words why the file
// cannot be read.
import { readFileSync } from 'node:fs';
import { asMetatrainError, MetatrainError } from './errors.ts';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'is not there; give the path of a file that is',
  EACCES: 'may not be read by this user',
  EISDIR: 'is a folder; give a file in it',
};

/** @throws MetatrainError `REQUEST_INVALID` */
export function readNamedFile(flag: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    const reason = reasons[code] ?? `cannot be read: ${asMetatrainError(cause).message}`;
    throw new MetatrainError('REQUEST_INVALID', `${flag}: ${file} ${reason}`, { details: { flag, file }, cause });
  }
}
