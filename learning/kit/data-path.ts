// The name of a user's own file or folder in a data directory, as a field of the job file.
import { z } from 'zod';
import { MetatrainError } from '../../shared/errors.ts';
import type { TaskIo } from '../tasks.ts';

/**
 * Words without "." at their front, joined by "/": neither a path that leads out of a data
 * directory nor a hidden folder.
 */
const pattern = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_. -]*(\/[\p{L}\p{N}_][\p{L}\p{M}\p{N}_. -]*)*$/u;

/** Such as `birds/small`. */
export const dataPath = (kind: 'file' | 'folder') =>
  z
    .string()
    .max(200)
    .regex(
      pattern,
      `the name of a ${kind} in a data directory: letters, digits, " ", ".", "_", "-" and "/" between names`,
    );

/**
 * Where a file is.
 *
 * @param what what it holds, such as `the file of sentences`.
 * @throws MetatrainError `DATA_SET_MISSING` with where it was searched for.
 */
export function placeOfFile(what: string, file: string, io: Pick<TaskIo, 'findFile'>): string {
  const { path, searched } = io.findFile(file);
  if (path !== undefined) return path;
  throw missing(what, file, searched, 'file');
}

export function missing(
  what: string,
  name: string,
  searched: readonly string[],
  kind: 'file' | 'folder',
): MetatrainError {
  const where = searched.join(', ') || 'nothing, as no data directory is set';
  return new MetatrainError('DATA_SET_MISSING', `${what} "${name}" is not here; searched: ${where}`, {
    details: { [kind]: name, searched },
  });
}
