// Writes a downloaded checkpoint: to a second file, with its hash, fsynced and then renamed. So the
// final file is always complete and verified. A broken or changed download leaves nothing behind.
import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { MetatrainError } from '../shared/errors.ts';
import type { CheckpointChunk__Output } from '../shared/gen/metatrain/v1/CheckpointChunk.ts';
import { randomId } from '../shared/rng.ts';
import { type CheckpointInfo, checkpointFromWire } from './records.ts';

/**
 * @param chunks the stream of one DownloadCheckpoint call.
 * @param file replaced when it exists.
 * @throws MetatrainError `CHECKPOINT_CORRUPT` when the bytes are not those that the coordinator announced; `REQUEST_INVALID` when the
 *   file cannot be written.
 */
export async function writeCheckpointFile(
  chunks: AsyncIterable<CheckpointChunk__Output>,
  file: string,
): Promise<CheckpointInfo> {
  const aside = `${file}.${randomId(4)}.part`;
  const handle = await open(aside, 'wx').catch((cause: unknown) => {
    throw unwritable(file, cause);
  });
  try {
    const info = await receive(chunks, handle);
    await handle.sync();
    await handle.close();
    await rename(aside, file).catch((cause: unknown) => {
      throw unwritable(file, cause);
    });
    return info;
  } catch (error) {
    await handle.close();
    await rm(aside, { force: true });
    throw error;
  }
}

async function receive(chunks: AsyncIterable<CheckpointChunk__Output>, handle: FileHandle): Promise<CheckpointInfo> {
  const hash = createHash('sha256');
  let info: CheckpointInfo | undefined;
  let received = 0;
  for await (const chunk of chunks) {
    if (chunk.info) info = checkpointFromWire(chunk.info);
    if (!info) throw corrupt('it did not begin with its description');
    if (chunk.offset !== received) throw corrupt(`a piece for byte ${chunk.offset} arrived after ${received} bytes`);
    received += chunk.data.length;
    if (received > info.bytes) throw corrupt(`more than the announced ${info.bytes} bytes arrived`);
    hash.update(chunk.data);
    await handle.writeFile(chunk.data);
  }
  if (!info) throw corrupt('nothing arrived');
  if (received < info.bytes) throw corrupt(`${received} of ${info.bytes} bytes arrived`);
  const sha256 = hash.digest('hex');
  if (sha256 !== info.sha256) throw corrupt(`its SHA-256 is ${sha256}, the coordinator announced ${info.sha256}`);
  return info;
}

const corrupt = (what: string) =>
  new MetatrainError('CHECKPOINT_CORRUPT', `the download of the checkpoint failed: ${what}`);

function unwritable(file: string, cause: unknown): MetatrainError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MetatrainError('REQUEST_INVALID', `cannot write ${file}: ${reason}`, { details: { file }, cause });
}
