// Reads a job file and checks it before anything is started or sent, with the coordinator's
// messages.
import { readFile, stat } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { parseJobSpec } from '../../learning/job-file.ts';
import { builtIn, type Registry } from '../../learning/registry.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { type JobSpec, maxSpecBytes } from '../../shared/job-spec/index.ts';
import type { Override } from './options.ts';

/**
 * @param file a path, or `-` for stdin.
 * @param registry the parts that it may name. Default: the built-in ones.
 * @throws MetatrainError `REQUEST_INVALID`
 */
export async function readJobFile(
  file: string,
  overrides: readonly Override[],
  registry: Registry = builtIn,
): Promise<JobSpec> {
  return parseJobSpec(await jobFileText(file), overrides, registry);
}

/** @param file a path, or `-` for stdin. @throws MetatrainError `REQUEST_INVALID` */
export const jobFileText = (file: string): Promise<string> => (file === '-' ? readAll(process.stdin) : readText(file));

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > maxSpecBytes) throw unreadable(file, `${size} bytes; a job file has at most ${maxSpecBytes}`);
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof MetatrainError) throw cause;
    throw unreadable(file, reasonOf(cause), cause);
  }
}

function unreadable(file: string, reason: string, cause?: unknown): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `cannot read the job file ${file}: ${reason}`, {
    details: { file },
    cause,
  });
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'it is a directory';
  if (code === 'EACCES') return 'permission denied';
  return cause instanceof Error ? cause.message : String(cause);
}

/** Maximum number of characters of one override in a job's record. */
const maxOverrideLength = 400;

/**
 * Overrides in the form of the job's record: the last one for each field, `path.to.field=value`.
 */
export function overrideTexts(overrides: readonly Override[]): string[] {
  return [...new Map(overrides)]
    .map(([path, value]) => `${path}=${value}`)
    .map((text) => (text.length <= maxOverrideLength ? text : `${text.slice(0, maxOverrideLength - 1)}…`));
}
