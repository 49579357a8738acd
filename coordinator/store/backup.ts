// A copy of a state directory that a coordinator may take up again, made while another coordinator
// goes on writing: lmdb copies the database as it is at one moment, and checkpoint files never
// change once they are visible. Everything that was copied is read back and checked against its
// digest. Files that the coordinator has removed meanwhile lead to another attempt.
import { existsSync, readdirSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import type { JobRecord } from './job-record.ts';
import { JobStore } from './job-store.ts';
import { loadLmdb } from './native.ts';
import { makePrivateDirectory, makePrivateFile } from './private-files.ts';
import { secretKeyFile } from './secret-key.ts';

export interface Backup {
  readonly jobs: number;
  readonly checkpoints: number;
  readonly bytes: number;
}

/** A running job removes its oldest checkpoint when it writes one: seldom, beside the time of a copy. */
const attempts = 5;

/**
 * @param output a folder that is missing or empty; afterwards a state directory of its own.
 * @throws MetatrainError `REQUEST_INVALID` when there is no state directory, or something lies in `output`; `DATA_CORRUPT` or
 *   `CHECKPOINT_CORRUPT` when the state directory is damaged; `INTERNAL` when it cannot be read or the copy cannot be written.
 *   Leaves `output` empty when it throws.
 */
export async function backUp(stateDirectory: string, output: string): Promise<Backup> {
  const database = join(stateDirectory, 'jobs.lmdb');
  if (!existsSync(database)) {
    throw invalid(`--state-dir: there is no state of a coordinator in ${stateDirectory}: it has no jobs.lmdb`);
  }
  prepare(output);
  try {
    for (let attempt = 1; ; attempt += 1) {
      await copyDatabase(database, join(output, 'jobs.lmdb'));
      await copySecretKey(stateDirectory, output);
      const backup = await copyCheckpoints(stateDirectory, output, attempt === attempts);
      if (backup) return backup;
      await empty(output);
    }
  } catch (thrown) {
    await empty(output);
    if (thrown instanceof MetatrainError) throw thrown;
    const message = `the backup of ${stateDirectory} in ${output} failed: ${asMetatrainError(thrown).message}`;
    throw new MetatrainError('INTERNAL', message, { cause: thrown });
  }
}

function prepare(output: string): void {
  try {
    makePrivateDirectory(output);
    if (readdirSync(output).length === 0) return;
  } catch (cause) {
    throw invalid(`--output: ${output} cannot be written to: ${asMetatrainError(cause).message}`, cause);
  }
  throw invalid(`--output: ${output} is not empty; give a folder that is empty, or is not there yet`);
}

async function copyDatabase(from: string, to: string): Promise<void> {
  const { open } = await loadLmdb();
  const root = open({ path: from, noSubdir: true, maxDbs: 12, readOnly: true });
  try {
    makePrivateFile(to);
    await rm(to);
    await root.backup(to, true);
    makePrivateFile(to);
  } finally {
    await root.close();
  }
}

/**
 * Without it, jobs with `meta.privacy` could not go on to the same bytes. Once it is there it never
 * changes.
 */
async function copySecretKey(stateDirectory: string, output: string): Promise<void> {
  const [from, to] = [join(stateDirectory, secretKeyFile), join(output, secretKeyFile)];
  if (!existsSync(from)) return;
  makePrivateFile(to);
  await copyFile(from, to);
}

/** @returns undefined when a checkpoint is not there any more, unless this is the last attempt. */
async function copyCheckpoints(stateDirectory: string, output: string, isLast: boolean): Promise<Backup | undefined> {
  const [source, copy] = [stateDirectory, output].map((path) => new CheckpointStore(join(path, 'checkpoints')));
  let [jobs, checkpoints, bytes] = [0, 0, 0];
  for (const record of await recordsIn(output)) {
    jobs += 1;
    for (const checkpoint of record.checkpoints) {
      const to = copy!.fileOf(record.jobId, checkpoint.step);
      makePrivateDirectory(dirname(to));
      try {
        await copyFile(source!.fileOf(record.jobId, checkpoint.step), to);
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && !isLast) return undefined;
        throw cause;
      }
      // Reads it to its end, and so compares it with the hash on record.
      for await (const piece of copy!.stream(record.jobId, checkpoint)) bytes += piece.byteLength;
      checkpoints += 1;
    }
  }
  return { jobs, checkpoints, bytes };
}

/** Of the copied database, each checked. @throws MetatrainError `DATA_CORRUPT` */
async function recordsIn(output: string): Promise<JobRecord[]> {
  const file = join(output, 'jobs.lmdb');
  const store = await JobStore.open(file);
  try {
    return [...store.records()].map((entry) => {
      if (!entry.isGood) throw entry.error;
      return entry.value;
    });
  } finally {
    await store.close();
    await rm(`${file}-lock`, { force: true });
  }
}

async function empty(directory: string): Promise<void> {
  for (const name of readdirSync(directory)) await rm(join(directory, name), { recursive: true, force: true });
}

const invalid = (message: string, cause?: unknown) => new MetatrainError('REQUEST_INVALID', message, { cause });
