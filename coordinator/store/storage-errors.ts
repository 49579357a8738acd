// Sorts the system's errors of reading and writing files by their remedy: room on the disk, time,
// or none.
import { getSystemErrorName } from 'node:util';
import { MetatrainError } from '../../shared/errors.ts';

/** No room on the disk. */
const outOfRoom: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** May pass by itself or by an operator's action: the file is not damaged. */
const passing: ReadonlySet<string> = new Set([
  ...['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'EBUSY', 'ETIMEDOUT', 'EACCES', 'EPERM'],
]);

/**
 * Of writes only: a failed write is made again from its beginning. If a read fails for these
 * reasons, the file is damaged.
 */
const passingForWrites: ReadonlySet<string> = new Set(['EIO', 'EROFS']);

/** Such as `EMFILE`: from Node's `code`, or from lmdb's errno. */
function systemCodeOf(thrown: unknown): string | undefined {
  const code = (thrown as { readonly code?: unknown } | null)?.code;
  if (typeof code === 'string') return code;
  return typeof code === 'number' && code > 0 ? getSystemErrorName(-code) : undefined;
}

const isIn = (codes: ReadonlySet<string>, thrown: unknown): boolean => codes.has(systemCodeOf(thrown) ?? '');

export const isOutOfRoom = (thrown: unknown): boolean => isIn(outOfRoom, thrown);

export const mayBeWrittenLater = (thrown: unknown): boolean => isIn(passing, thrown) || isIn(passingForWrites, thrown);

export const mayBeReadLater = (thrown: unknown): boolean => isIn(passing, thrown);

/**
 * The state directory takes no writes at the moment, for want of room or for another reason that
 * may pass: the caller may try again.
 */
export const isStorageRefusal = (thrown: unknown): thrown is MetatrainError =>
  thrown instanceof MetatrainError && (thrown.code === 'DISK_FULL' || thrown.code === 'STORAGE_UNAVAILABLE');
