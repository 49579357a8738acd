// Checkpoint files on disk. A file becomes visible only when it is complete: written under another
// name, fsynced, renamed, its directory fsynced. Every read is checked against the hash on record,
// so a torn or changed file is an error and never becomes θ.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../../shared/checkpoint.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import { DiskRoom, reserveBytes } from './disk-room.ts';
import type { CheckpointRecord } from './job-record.ts';
import { makePrivateDirectory, privateFileMode } from './private-files.ts';
import { isStorageRefusal, mayBeReadLater } from './storage-errors.ts';

/** Written and hashed in pieces, so that a large file never blocks the event loop. */
const pieceBytes = 1_048_576;

export class CheckpointStore {
  readonly #path: string;
  readonly #room: DiskRoom;

  constructor(path: string, room = new DiskRoom(path)) {
    this.#path = path;
    this.#room = room;
  }

  fileOf(jobId: string, step: number): string {
    assert(/^[A-Za-z0-9_-]+$/.test(jobId), 'a job id is a plain name: no checkpoint lies outside this directory');
    return join(this.#path, jobId, `step-${String(step).padStart(9, '0')}.safetensors`);
  }

  /**
   * @throws MetatrainError `DISK_FULL`, `STORAGE_UNAVAILABLE`, or `INTERNAL` with the file and the
   *   reason. Leaves no partial file, and keeps the earlier one.
   */
  async write(checkpoint: Checkpoint): Promise<{ readonly sha256: string; readonly bytes: number }> {
    const { jobId, step } = checkpoint.metadata;
    const file = this.fileOf(jobId, step);
    const aside = `${file}.partial`;
    const directory = dirname(file);
    try {
      const parts = encodeCheckpoint(checkpoint);
      const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
      return await this.#room.write(bytes, reserveBytes, async (onWritten) => {
        makePrivateDirectory(directory);
        const written = await writeAside(aside, parts, onWritten);
        await rename(aside, file);
        await syncDirectory(directory);
        return written;
      });
    } catch (cause) {
      await rm(aside, { force: true }).catch(() => undefined);
      const code = isStorageRefusal(cause) ? cause.code : 'INTERNAL';
      const { message, details } = asMetatrainError(cause);
      throw new MetatrainError(code, `checkpoint ${file} cannot be written: ${message}`, { cause, details });
    }
  }

  /**
   * @throws MetatrainError `CHECKPOINT_CORRUPT` with the file, the expected and the actual hash;
   *   `STORAGE_UNAVAILABLE` when the file cannot be read at the moment.
   */
  async read(jobId: string, record: CheckpointRecord): Promise<Checkpoint> {
    const file = this.fileOf(jobId, record.step);
    let bytes: Buffer;
    try {
      bytes = await readFile(file);
    } catch (cause) {
      throw unreadable(file, cause);
    }
    checkSize(file, record, bytes.byteLength);
    const found = createHash('sha256').update(bytes).digest('hex');
    if (found !== record.sha256) throw corrupt(file, `SHA-256 ${record.sha256}`, found);
    return decodeCheckpoint(bytes, file);
  }

  /**
   * The file's bytes in order, at most 1 MiB at a time.
   *
   * @throws MetatrainError `CHECKPOINT_CORRUPT`: at once if the size is wrong, at the end if the
   *   hash is wrong; `STORAGE_UNAVAILABLE`.
   */
  async *stream(jobId: string, record: CheckpointRecord): AsyncGenerator<Buffer> {
    const file = this.fileOf(jobId, record.step);
    let handle: FileHandle;
    try {
      handle = await open(file);
    } catch (cause) {
      throw unreadable(file, cause);
    }
    try {
      checkSize(file, record, (await handle.stat()).size);
      const hash = createHash('sha256');
      for (let offset = 0; offset < record.bytes; ) {
        const piece = Buffer.allocUnsafe(Math.min(pieceBytes, record.bytes - offset));
        const { bytesRead } = await handle.read(piece, 0, piece.byteLength, offset);
        if (bytesRead === 0) throw corrupt(file, `${record.bytes} bytes`, `${offset} bytes`);
        const data = piece.subarray(0, bytesRead);
        hash.update(data);
        offset += bytesRead;
        yield data;
      }
      const found = hash.digest('hex');
      if (found !== record.sha256) throw corrupt(file, `SHA-256 ${record.sha256}`, found);
    } finally {
      await handle.close();
    }
  }

  /** Removes all checkpoints of a job. */
  async removeJob(jobId: string): Promise<void> {
    await rm(join(this.#path, jobId), { recursive: true, force: true }).catch(() => undefined);
  }

  async remove(jobId: string, step: number): Promise<void> {
    await rm(this.fileOf(jobId, step), { force: true });
  }

  /** Removes files that no record names, which a killed coordinator left behind. */
  async removeUnrecorded(jobId: string, records: readonly CheckpointRecord[]): Promise<void> {
    const directory = dirname(this.fileOf(jobId, 0));
    const known = new Set(records.map(({ step }) => this.fileOf(jobId, step)));
    const names = await readdir(directory).catch(() => []);
    for (const name of names) {
      const file = join(directory, name);
      if (!known.has(file)) await rm(file, { force: true });
    }
  }
}

async function writeAside(
  file: string,
  parts: readonly Buffer[],
  onWritten: (bytes: number) => void,
): Promise<{ sha256: string; bytes: number }> {
  const handle = await open(file, 'w', privateFileMode);
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    for (const part of parts) {
      for (let offset = 0; offset < part.byteLength; offset += pieceBytes) {
        const piece = part.subarray(offset, offset + pieceBytes);
        hash.update(piece);
        await handle.writeFile(piece);
        bytes += piece.byteLength;
        onWritten(piece.byteLength);
      }
    }
    await handle.sync();
    return { sha256: hash.digest('hex'), bytes };
  } finally {
    await handle.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function checkSize(file: string, record: CheckpointRecord, bytes: number): void {
  if (bytes !== record.bytes) throw corrupt(file, `${record.bytes} bytes`, `${bytes} bytes`);
}

/** If the process has no file descriptors left, the file is not damaged. */
function unreadable(file: string, cause: unknown): MetatrainError {
  const { message } = asMetatrainError(cause);
  if (!mayBeReadLater(cause)) return corrupt(file, 'a file that can be read', message);
  const now = `checkpoint ${file} cannot be read now: ${message}; try again`;
  return new MetatrainError('STORAGE_UNAVAILABLE', now, { details: { file }, cause });
}

function corrupt(file: string, expected: string, actual: string): MetatrainError {
  return new MetatrainError('CHECKPOINT_CORRUPT', `checkpoint ${file}: expected ${expected}, found ${actual}`, {
    details: { file, expected, actual },
  });
}
