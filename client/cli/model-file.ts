// Saves the trained model for `metatrain run`: the job's last checkpoint, verified by its SHA-256.
// Only a file that the user named is ever replaced by another model.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import type { MetatrainClient } from '../metatrain-client.ts';
import type { Job } from '../records.ts';

export interface ModelFile {
  readonly file: string;
  /** Whether a file of this name may be replaced. */
  readonly mayReplace: boolean;
}

export interface SavedModel {
  readonly file: string;
  /** Meta-steps applied. */
  readonly step: number;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * The file that a run will write, checked before anything is trained.
 *
 * @param output value of `--output`, false with `--no-output`; undefined means `NAME.safetensors` in the working directory.
 * @returns undefined when nothing is to be saved.
 * @throws MetatrainError `REQUEST_INVALID` when it cannot be written.
 */
export async function modelFile({ name }: JobSpec, output: string | false | undefined): Promise<ModelFile | undefined> {
  if (output === false) return undefined;
  const file = output ?? `${name}.safetensors`;
  try {
    await access(dirname(file), constants.W_OK);
    if ((await sizeOf(file))?.isDirectory) throw new Error('it is a directory');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `--output: cannot write ${file}: ${reason}; accepted: a file in a directory that exists and can be written to, or --no-output`;
    throw new MetatrainError('REQUEST_INVALID', message, { details: { file }, cause });
  }
  return { file, mayReplace: output !== undefined };
}

/**
 * @param job has succeeded. @throws MetatrainError when the file cannot be written or did not arrive
 * whole.
 */
export async function saveModel(
  client: MetatrainClient,
  { jobId, checkpoints }: Job,
  { file: wanted, mayReplace }: ModelFile,
): Promise<SavedModel> {
  const newest = checkpoints.at(-1);
  if (!newest) throw new MetatrainError('CHECKPOINT_UNKNOWN', `job ${jobId} has no checkpoint to save`);
  const { step, bytes, sha256 } = newest;
  const present = await sizeOf(wanted);
  if (present?.size === bytes && (await sha256Of(wanted)) === sha256) return { file: wanted, step, bytes, sha256 };
  const file = present && !mayReplace ? wanted.replace(/(\.safetensors)$/, `-${jobId}$1`) : wanted;
  await client.downloadCheckpoint(jobId, file, { step });
  return { file, step, bytes, sha256 };
}

/** @returns undefined when there is no such file. */
async function sizeOf(file: string): Promise<{ readonly size: number; readonly isDirectory: boolean } | undefined> {
  try {
    const found = await stat(file);
    return { size: found.size, isDirectory: found.isDirectory() };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest('hex');
}
