// Measures the room on the state directory's disk and keeps a reserve of it free. lmdb may corrupt
// its memory when a write meets a full disk (seen with 3.5), so the store refuses a write before
// that. The reserve has two levels: when new work is refused, results of running work can still be
// stored. Measured at every write, since other programs write to the disk, too.
import { statfsSync } from 'node:fs';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import { isOutOfRoom, mayBeWrittenLater } from './storage-errors.ts';

const mebibyte = 2 ** 20;

/**
 * Stays free after writes that may wait or be refused: a new job, a checkpoint, the hashes of
 * shards.
 */
export const reserveBytes = 16 * mebibyte;

/** Stays free after writes that must not be refused: records of existing jobs, and events. */
export const essentialReserveBytes = 4 * mebibyte;

/** Must be free before a paused job goes on, so that it does not stop again at once. */
export const roomToGoOnBytes = 2 * reserveBytes;

export class DiskRoom {
  readonly directory: string;
  readonly #measure: (directory: string) => number;
  readonly #gone: () => MetatrainError | undefined;
  /** Bytes of writes under way, which the disk does not show yet. */
  #promisedBytes = 0;

  /**
   * @param measure bytes that can still be written; throws where the file system does not tell.
   * @param gone the error `STORAGE_UNAVAILABLE` when the directory no longer exists; then nothing
   *   is written.
   */
  constructor(
    directory: string,
    measure: (directory: string) => number = freeBytesOf,
    gone: () => MetatrainError | undefined = () => undefined,
  ) {
    this.directory = directory;
    this.#measure = measure;
    this.#gone = gone;
  }

  /** Bytes that can still be written, after the writes under way. */
  get freeBytes(): number {
    let free: number;
    try {
      free = this.#measure(this.directory);
    } catch {
      // This file system does not tell. Then the first sign of a full disk is a write that fails.
      return Number.POSITIVE_INFINITY;
    }
    return Math.max(0, free - this.#promisedBytes);
  }

  /**
   * The error that a write of so many bytes would get: `DISK_FULL`, or `STORAGE_UNAVAILABLE` if the
   * directory is gone. Undefined if there is room.
   */
  missing(bytes: number, reserve: number = reserveBytes): MetatrainError | undefined {
    const gone = this.#gone();
    if (gone) return gone;
    const { freeBytes, directory } = this;
    const neededBytes = bytes + reserve;
    if (freeBytes >= neededBytes) return undefined;
    const [free, needed, kept] = [freeBytes, neededBytes, reserve].map(inMebibytes);
    const whatFor = bytes < mebibyte ? 'in reserve' : `${inMebibytes(bytes)} for this and ${kept} in reserve`;
    const message = `the disk of ${directory} is full: ${free} are free and ${needed} are needed, ${whatFor}; make room there`;
    return new MetatrainError('DISK_FULL', message, { details: { directory, freeBytes, neededBytes } });
  }

  /**
   * @param bytes about how much `write` writes. `write` may report how much of it the disk shows by
   *   now; the rest counts as under way.
   * @throws MetatrainError `DISK_FULL` when there is no room, before `write` begins, or when
   *   `write` failed for want of room; `STORAGE_UNAVAILABLE` when it failed for another reason that
   *   may pass.
   */
  async write<Result>(
    bytes: number,
    reserve: number,
    write: (written: (bytes: number) => void) => Promise<Result>,
  ): Promise<Result> {
    const missing = this.missing(bytes, reserve);
    if (missing) throw missing;
    let left = bytes;
    const written = (by: number) => {
      this.#promisedBytes -= by;
      left -= by;
    };
    this.#promisedBytes += bytes;
    try {
      return await write(written);
    } catch (thrown) {
      if (isOutOfRoom(thrown)) throw this.#refused(bytes, thrown);
      throw mayBeWrittenLater(thrown) ? this.#unavailable(thrown) : thrown;
    } finally {
      written(left);
    }
  }

  /**
   * The disk refused although it had reported room: because of a quota, or another program was
   * faster.
   */
  #refused(bytes: number, cause: unknown): MetatrainError {
    const { freeBytes, directory } = this;
    const message =
      `the disk of ${directory} takes no more (${asMetatrainError(cause).message}): ${inMebibytes(freeBytes)} are free and ` +
      `${inMebibytes(bytes)} were to be written; make room there`;
    return new MetatrainError('DISK_FULL', message, { details: { directory, freeBytes, neededBytes: bytes }, cause });
  }

  #unavailable(cause: unknown): MetatrainError {
    const { directory } = this;
    const message = `the disk of ${directory} cannot be written to now: ${asMetatrainError(cause).message}; it is tried again every second`;
    return new MetatrainError('STORAGE_UNAVAILABLE', message, { details: { directory, neededBytes: 0 }, cause });
  }
}

const inMebibytes = (bytes: number): string => `${(bytes / mebibyte).toFixed(1)} MiB`;

function freeBytesOf(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}
