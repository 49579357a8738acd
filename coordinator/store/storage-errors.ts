// What the system says when a file cannot be written or read, sorted by what helps: room on the disk,
// time, or nothing.
import { getSystemErrorName } from 'node:util';
import { MetatrainError } from '../../shared/errors.ts';

/** There is no room. */
const outOfRoom: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** It may be otherwise in a moment, by itself or by an operator's hand: nothing is wrong with the file. */
const passing: ReadonlySet<string> = new Set([
  ...['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'EBUSY', 'ETIMEDOUT', 'EACCES', 'EPERM'],
]);

/**
 * Of writes alone: what failed to be written is written again from its beginning. What cannot be read
 * for these reasons is damaged.
 */
const passingForWrites: ReadonlySet<string> = new Set(['EIO', 'EROFS']);

/** Such as `EMFILE`, as Node names it, or as lmdb does: with errno. */
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
 * The state directory takes no writes now, for want of room or for another reason that passes: who can
 * wait tries again.
 */
export const isStorageRefusal = (thrown: unknown): thrown is MetatrainError =>
  thrown instanceof MetatrainError && (thrown.code === 'DISK_FULL' || thrown.code === 'STORAGE_UNAVAILABLE');
